//! Programs as the command line names them.

use std::io::Read;
use std::path::Path;

use fe_pipeline::Text;

use crate::failure::Failure;

/// Reads a program, from standard input when it is called `-`.
pub fn text(model: &str) -> Result<Text, Failure> {
    if model != "-" {
        return Ok(Text::read(model)?);
    }
    let mut source = Vec::new();
    std::io::stdin()
        .read_to_end(&mut source)
        .map_err(|e| Failure::Io(format!("standard input cannot be read: {e}")))?;
    Ok(Text::of_bytes("<stdin>", source, Path::new("."))?)
}
