//! `fe stream`: lines in, lines out, and a loop with a simulator.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::*;
use serde_json::Value;

const FILTER: &str = "\
dim T = 3
data y[T] = [0.1, 0.2, 0.3]
for t in T {
  let p[t] = if t == 0 then 0 else m[t-1]
  latent z[t] ~ Normal(p[t], 1)
  guide z[t] ~ Normal(m[t], 0.6)
  refine m[t] from p[t] over 1 steps by natural_gradient(step = 0.5)
  observe y[t] ~ Normal(z[t], 0.8)
}
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("filter.fe"), FILTER).unwrap();
    folder
}

fn spawn(folder: &Path, arguments: &[&str]) -> Child {
    fe(folder).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn objects_and_tables_give_the_same_as_a_finished_run() {
    let folder = folder();
    let folder = folder.path();
    done(folder, &["run", "filter.fe", "--quiet", "--out", "fit"]);
    let objects = with_input(folder, &["stream", "fit"], "{\"y\": 0.1}\n\n0.7\n[-0.4]\n");
    assert_eq!(code(&objects), 0, "{}", stderr(&objects));
    let said: Vec<Value> = stdout(&objects).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(said.len(), 3);
    // From 0, half of the natural gradient: s² times the slope, s = .6.
    let mean = |p: f64, y: f64| p + 0.5 * 0.36 * (y - p) / 0.64;
    let (a, b) = (mean(0.0, 0.1), mean(mean(0.0, 0.1), 0.7));
    let moved = |v: &Value| v["codes"]["z"]["mean"].as_f64().unwrap();
    // The limit of a step bends it by less than a thousandth here.
    assert!((moved(&said[0]) - a).abs() < 1e-3 && (moved(&said[1]) - b).abs() < 5e-3, "{said:?}, {a} and {b}");

    let table = with_input(folder, &["stream", "filter.fe"], "time,y\n0,0.1\n1,0.7\n2,-0.4\n");
    assert_eq!(code(&table), 0, "{}", stderr(&table));
    let table = stdout(&table);
    let head: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let at = |line: usize, name: &str| -> f64 {
        let place = head.iter().position(|h| *h == name).unwrap();
        table.lines().nth(line + 1).unwrap().split(',').nth(place).unwrap().parse().unwrap()
    };
    for (line, object) in said.iter().enumerate() {
        assert_eq!(at(line, "free_energy"), object["free_energy"].as_f64().unwrap());
        assert_eq!(at(line, "z_mean"), moved(object));
    }
}

#[test]
fn a_wrong_line_is_named_with_what_to_give() {
    let folder = folder();
    let folder = folder.path();
    let cases = [
        ("{\"y\": 0.1}\n{\"x\": 1}\n", "line 2: a line of this program gives no `x`"),
        ("{\"y\": [0.1, 0.2]}\n", "line 1: `y` holds 2 numbers, and a line of it has 1"),
        ("{\"y\": 0.1\n", "line 1: this is no JSON"),
        ("{\"y\": \"red\"}\n", "line 1: `y` holds text, and the fit had numbers"),
        ("{\"y\": {}}\n", "line 1: `y` holds something that is neither numbers nor text"),
        ("{}\n", "line 1: `y` is missing"),
        ("a,b\n1,2\n", "line 1: the header has no column for `y`"),
        ("y,b\n1,2\n1\n", "line 3: 1 cells, and the header has 2 columns"),
        ("y\none\n", "line 2: `y` holds `one`, which is no number"),
    ];
    for (input, expected) in cases {
        let output = with_input(folder, &["stream", "filter.fe"], input);
        assert_eq!(code(&output), 3, "{input}: {}", stderr(&output));
        assert!(stderr(&output).contains(expected), "{input}: {}", stderr(&output));
        assert!(stderr(&output).contains("Help"), "{input}: {}", stderr(&output));
    }
    let usage = with_input(folder, &["stream", "filter.fe", "--plan"], "");
    assert_eq!(code(&usage), 0, "{}", stderr(&usage));
    assert_eq!(code(&with_input(folder, &["stream", "-"], "")), 2);
    assert_eq!(code(&with_input(folder, &["stream", "no_such_run"], "")), 2);
}

#[test]
fn answers_come_at_once_and_a_reader_that_leaves_ends_it() {
    let folder = folder();
    let mut child = spawn(folder.path(), &["stream", "filter.fe"]);
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for _ in 0..3 {
        writeln!(input, "0.5").unwrap();
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert!(line.starts_with("{\"line\":"), "{line}");
    }
    drop(output);
    // It finds out when it writes; then its end of the pipe is closed.
    for _ in 0..1000 {
        if writeln!(input, "0.5").is_err() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_ends_it_while_it_waits() {
    let folder = folder();
    let mut child = spawn(folder.path(), &["stream", "filter.fe"]);
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "0.5").unwrap();
    let mut line = [0u8; 1];
    child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow() {
    let folder = folder();
    let mut child = spawn(folder.path(), &["stream", "filter.fe"]);
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let mut turns = |count: usize| {
        for _ in 0..count {
            writeln!(input, "0.5").unwrap();
            line.clear();
            output.read_line(&mut line).unwrap();
        }
    };
    let pages = |id: u32| -> usize {
        let text = std::fs::read_to_string(format!("/proc/{id}/statm")).unwrap();
        text.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    turns(1000);
    let before = pages(child.id());
    turns(10_000);
    let after = pages(child.id());
    assert!(after <= before + 64, "{before} pages grew to {after}");
    drop(input);
    child.wait().unwrap();
}

/// Python in a loop with the command, where there is a Python.
#[test]
fn a_plan_swings_a_pendulum_up_that_is_heavier_than_it_believes() {
    let script = root().join("examples/stream/pendulum.py");
    let python =
        Command::new("python3").arg(script).args(["100", env!("CARGO_BIN_EXE_fe")]).env("FE_CACHE", "").output();
    let output = match python {
        Ok(output) => output,
        Err(e) => {
            eprintln!("SKIPPED, no python3: {e}");
            return;
        }
    };
    assert!(output.status.success(), "{}", stderr(&output));
    let said = stdout(&output);
    let least = said.lines().last().and_then(|l| l.rsplit_once(": ")).unwrap().1;
    assert!(least.trim().parse::<f64>().unwrap() > 0.95, "{said}");
}
