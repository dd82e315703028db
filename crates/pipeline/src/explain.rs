//! The derivation of a program in words.

use fe_check::Program;
use fe_objective::Objective;

/// The derivation in the notation of a paper, and how it is fitted.
pub fn explanation(program: &Program, objective: &Objective, source: &str) -> String {
    let mut page = fe_objective::explain(program, objective, source);
    let rows = program.row.map_or(1, |r| r.rows);
    match fe_train::method(objective, &program.train, rows) {
        Ok((method, notes)) => {
            if let (true, fe_train::Method::Lbfgs { .. }) = (!objective.guides.non_centred.is_empty(), &method) {
                let names = objective.guides.non_centred.join(", ");
                page += &format!("fitted as written too, {names} centred: the lower free energy is kept\n");
            }
            page += &format!("fitted by {}\n", method.describe(objective));
            page.extend(notes.iter().map(|note| format!("note: {note}\n")));
        }
        Err(e) => page += &format!("it cannot be fitted as asked: {e}\n"),
    }
    page
}

/// The plan of a training step, in f32: phases, fused loops, memory, cost. `None` where it cannot be fitted as asked.
pub fn plan(program: &Program, objective: &Objective) -> Option<String> {
    let rows = program.row.map_or(1, |r| r.rows);
    let (method, _) = fe_train::method(objective, &program.train, rows).ok()?;
    Some(fe_train::plan(objective, &method, rows).describe(&objective.graph, size_of::<f32>()))
}
