//! `fe lsp`, driven as an editor does: framed messages over its standard input and output.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::common::*;
use serde_json::{Value, json};

/// An editor with one server. Messages are framed here, and not by the library that the server uses.
struct Editor {
    server: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    asked: i64,
    uri: String,
}

impl Editor {
    /// Starts a server and opens a program.
    fn open(folder: &Path, text: &str) -> Self {
        let mut command = fe(folder);
        let mut server =
            command.arg("lsp").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (to, from) = (server.stdin.take(), BufReader::new(server.stdout.take().unwrap()));
        let uri = format!("file://{}/model%20one.fe", folder.display());
        let mut editor = Self { server, to, from, asked: 0, uri };
        let capabilities = editor.ask("initialize", json!({ "processId": null, "rootUri": null, "capabilities": {} }));
        assert!(capabilities["capabilities"]["hoverProvider"].as_bool().unwrap());
        editor.tell("initialized", json!({}));
        let document = json!({ "uri": editor.uri, "languageId": "fe", "version": 1, "text": text });
        editor.tell("textDocument/didOpen", json!({ "textDocument": document }));
        editor
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let to = self.to.as_mut().unwrap();
        write!(to, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        to.flush().unwrap();
    }

    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert_ne!(self.from.read_line(&mut line).unwrap(), 0, "the server has left");
            if let Some(n) = line.trim().strip_prefix("Content-Length: ") {
                length = n.parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut bytes = vec![0; length];
        self.from.read_exact(&mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }

    /// The answer to a question; what the server says of itself in between is passed over.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.receive();
            if message["id"] == json!(id) {
                assert!(message.get("error").is_none(), "{message}");
                return message["result"].clone();
            }
        }
    }

    /// What is wrong with the program, the next time the server says it.
    fn diagnostics(&mut self) -> Vec<Value> {
        loop {
            let message = self.receive();
            if message["method"] == "textDocument/publishDiagnostics" {
                return message["params"]["diagnostics"].as_array().unwrap().clone();
            }
        }
    }

    fn change(&mut self, text: &str) {
        let document = json!({ "uri": self.uri, "version": 2 });
        self.tell("textDocument/didChange", json!({ "textDocument": document, "contentChanges": [{ "text": text }] }));
    }

    /// A question about a place, from 0.
    fn at(&mut self, method: &str, line: u32, character: u32) -> Value {
        let uri = self.uri.clone();
        self.ask(
            method,
            json!({ "textDocument": { "uri": uri }, "position": { "line": line, "character": character } }),
        )
    }

    fn about(&mut self, method: &str) -> Value {
        let uri = self.uri.clone();
        let options = json!({ "tabSize": 2, "insertSpaces": true });
        self.ask(method, json!({ "textDocument": { "uri": uri }, "options": options }))
    }

    fn leave(mut self) {
        self.ask("shutdown", Value::Null);
        self.tell("exit", Value::Null);
        drop(self.to.take());
        assert!(self.server.wait().unwrap().success());
    }
}

const PROGRAM: &str = "# Weights.\n\
data g[N] : index(G) = csv(\"rows.csv\", \"kind\")\n\
data y[N] = csv(\"rows.csv\", \"y\")\n\
latent a[G] ~ Normal(0, 1)\n\
let β = a[\"pear\"] - a[\"fig\"]\n\
observe y ~ Normal(a[g] + 0 * β, 1)\n";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rows.csv"), "kind,y\npear,1\nfig,2\npear,3\n").unwrap();
    folder
}

fn labels(items: &Value) -> Vec<String> {
    items.as_array().unwrap().iter().map(|i| i["label"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_wrong_is_said_as_the_text_changes() {
    let folder = folder();
    let mut editor = Editor::open(folder.path(), PROGRAM);
    assert_eq!(editor.diagnostics(), Vec::<Value>::new());
    editor.change(&PROGRAM.replace("a[\"fig\"]", "a[\"figs\"]"));
    let said = editor.diagnostics();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!((said[0]["code"].as_str(), said[0]["severity"].as_i64()), (Some("E0253"), Some(1)));
    // Behind a letter of two bytes, places are counted in UTF-16.
    assert_eq!(said[0]["range"]["start"], json!({ "line": 4, "character": 22 }));
    assert_eq!(said[0]["range"]["end"], json!({ "line": 4, "character": 28 }));
    assert!(said[0]["message"].as_str().unwrap().contains("did you mean `\"fig\"`?"), "{said:?}");
    // A file that is not there is said at its reader.
    editor.change(&PROGRAM.replace("rows.csv\", \"y\"", "row.csv\", \"y\""));
    let said = editor.diagnostics();
    assert_eq!(said[0]["code"], "D0001", "{said:?}");
    assert_eq!(said[0]["range"]["start"]["line"], 2);
    editor.change(PROGRAM);
    assert_eq!(editor.diagnostics(), Vec::<Value>::new());
    editor.leave();
}

#[test]
fn hover_says_axes_guides_and_estimators() {
    let folder = folder();
    let mut editor = Editor::open(folder.path(), PROGRAM);
    let mut hover = |line, character| {
        let found = editor.at("textDocument/hover", line, character);
        found["contents"]["value"].as_str().unwrap_or("nothing").to_owned()
    };
    assert_eq!(hover(1, 5), "`data g[N = 3]`: indices 0 to 1");
    let latent = hover(3, 7);
    assert!(latent.starts_with("`latent a[G = 2]` ~ Normal\n\nguide: "), "{latent}");
    assert!(latent.contains("rate: estimated by closed form, because"), "{latent}");
    let observed = hover(5, 8);
    assert!(observed.contains("distortion: estimated by"), "{observed}");
    assert_eq!(hover(3, 9), "`G`: an axis of 2 elements\n\nfig, pear");
    assert!(hover(5, 14).starts_with("`Normal(mean, sd)`: "));
    assert_eq!(hover(2, 13), "`csv(\"table.csv\", \"column\")`");
    assert_eq!(hover(0, 3), "nothing");
    editor.leave();
}

#[test]
fn names_are_found_renamed_and_completed() {
    let folder = folder();
    let mut editor = Editor::open(folder.path(), PROGRAM);
    let definition = editor.at("textDocument/definition", 5, 30);
    assert_eq!(definition["range"]["start"], json!({ "line": 4, "character": 4 }));
    let uri = editor.uri.clone();
    let rename = editor.ask(
        "textDocument/rename",
        json!({ "textDocument": { "uri": uri }, "position": { "line": 3, "character": 7 }, "newName": "mean" }),
    );
    let edits = rename["changes"][&uri].as_array().unwrap();
    let mut places: Vec<(i64, i64)> = edits
        .iter()
        .map(|e| (e["range"]["start"]["line"].as_i64().unwrap(), e["range"]["start"]["character"].as_i64().unwrap()))
        .collect();
    places.sort_unstable();
    assert_eq!(places, [(3, 7), (4, 8), (4, 20), (5, 19)]);
    let symbols = editor.about("textDocument/documentSymbol");
    assert_eq!(symbols.as_array().unwrap().len(), 4);

    // Behind `~` distributions, in quotes levels, in a train block its keys, at the beginning of a line keywords.
    assert!(labels(&editor.at("textDocument/completion", 3, 14)).contains(&"StudentT".to_owned()));
    assert_eq!(labels(&editor.at("textDocument/completion", 4, 11)), ["fig", "pear"]);
    let names = labels(&editor.at("textDocument/completion", 5, 23));
    assert!(["β", "g", "exp", "log_softmax"].iter().all(|n| names.contains(&n.to_string())), "{names:?}");
    editor.change(&format!("{PROGRAM}train {{ holdout = 10% "));
    assert!(labels(&editor.at("textDocument/completion", 6, 22)).contains(&"batch".to_owned()));
    editor.change(&format!("{PROGRAM}ob"));
    assert!(labels(&editor.at("textDocument/completion", 6, 2)).contains(&"observe".to_owned()));
    // The levels are still known where the text means nothing for the moment.
    editor.change(&PROGRAM.replace("a[\"fig\"]", "a[\"\"]"));
    assert_eq!(labels(&editor.at("textDocument/completion", 4, 23)), ["fig", "pear"]);
    editor.leave();
}

#[test]
fn layout_and_lenses() {
    let folder = folder();
    let mut editor = Editor::open(folder.path(), &PROGRAM.replace("~ Normal(0, 1)", "~Normal( 0,1 )"));
    let edits = editor.about("textDocument/formatting");
    assert_eq!(edits[0]["newText"].as_str().unwrap(), PROGRAM);
    editor.change(PROGRAM);
    assert_eq!(editor.about("textDocument/formatting"), json!([]));
    editor.change("latent latent");
    assert_eq!(editor.about("textDocument/formatting"), Value::Null);
    editor.change(PROGRAM);
    let lenses = editor.about("textDocument/codeLens");
    assert_eq!(lenses[0]["command"]["command"], "fe.run");
    assert_eq!(lenses[0]["range"]["start"]["line"], 1);
    editor.leave();
}

#[test]
fn completions_and_manual_pages_are_made_of_the_command() {
    let folder = folder();
    for (shell, word) in
        [("bash", "complete -F"), ("zsh", "#compdef fe"), ("fish", "complete -c fe"), ("powershell", "Register")]
    {
        assert!(done(folder.path(), &["completions", shell]).contains(word), "{shell}");
    }
    assert!(done(folder.path(), &["man"]).contains(".TH fe 1"));
    assert!(done(folder.path(), &["man", "run"]).contains("fe\\-run"));
    assert_eq!(code(&run(folder.path(), &["man", "sing"])), 2);
}
