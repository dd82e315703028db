//! Inference by descent: guides whose potentials are states of a descent on what is minimised.
//!
//! While the free energy is derived, what a guide makes of its states stands as an input of its own, a handle, so that the
//! slope in a mean is known by itself and never as a quotient. The descent is then one loop, and its last states take the
//! place of the inputs everywhere.

mod descended;
mod descent;
mod direction;
mod explain;
mod guard;
mod handles;
mod spike;
mod watched;

pub use descent::{Descent, DescentState, DescentStep, DescentTrace};
pub(crate) use explain::explained;
pub(crate) use handles::handled;
