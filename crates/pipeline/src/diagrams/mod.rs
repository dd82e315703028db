//! Diagrams of a fit for its page, by the kind of model: what is known of global values, and the fit beside the data. They
//! are made of the draws that `posterior.nc` holds, and kept as points, bars and bands, for a page that is written again.

mod globals;
mod numbers;
mod predictive;

use fe_check::Program;
use fe_report::{Array, DIAGRAMS_SCHEMA, Diagrams, Document, Group};

use self::numbers::Draws;

/// The diagrams that the groups of `posterior.nc` have the numbers for.
pub(crate) fn diagrams(program: &Program, document: &Document, groups: &[Group]) -> Diagrams {
    let groups = Groups { groups };
    Diagrams {
        schema: DIAGRAMS_SCHEMA,
        run: document.run.clone(),
        fit: predictive::panels(program, &document.labels, groups),
        globals: globals::panels(program, document, groups),
    }
}

/// Groups of arrays by name.
#[derive(Clone, Copy)]
struct Groups<'a> {
    groups: &'a [Group],
}

impl<'a> Groups<'a> {
    fn array(&self, group: &str, name: &str) -> Option<&'a Array> {
        self.groups.iter().find(|g| g.name == group)?.arrays.iter().find(|a| a.name == name)
    }

    /// Draws of an array, all chains one behind the other.
    fn draws(&self, group: &str, name: &str) -> Option<(Draws<'a>, &'a Array)> {
        let array = self.array(group, name)?;
        Some((Draws { values: &array.values, width: array.shape.iter().product() }, array))
    }
}
