//! `posterior.nc`: draws and data as ArviZ InferenceData, in NetCDF-4 groups.

use netcdf_writer::{DimensionId, NcAttrValue, NcFileBuilder, NcWriteFormat, NcWriteOptions};

use crate::document::Labels;

/// An array with named axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Array {
    /// Its name.
    pub name: String,
    /// Its axes, the draws apart.
    pub axes: Vec<String>,
    /// Their extents.
    pub shape: Vec<usize>,
    /// Row-major, the draws first where it has any.
    pub values: Vec<f64>,
}

/// A group of arrays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// The group's name in ArviZ: `posterior`, `sample_stats`, `observed_data`.
    pub name: String,
    /// Draws of a chain behind each array; 0 for none.
    pub draws: usize,
    /// Chains of so many draws, one behind the other; 0 stands for one.
    pub chains: usize,
    /// Its content.
    pub arrays: Vec<Array>,
    /// The levels of text that axes run over, which are their coordinates.
    pub labels: Labels,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
}

/// Why a file could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the draws cannot be written as NetCDF: {0}")]
pub struct NetcdfError(#[from] netcdf_writer::Error);

/// The bytes of a NetCDF-4 file with these groups.
///
/// # Errors
/// A name or a size that has no place in the format.
pub fn inference_data(groups: &[Group]) -> Result<Vec<u8>, NetcdfError> {
    let mut file = NcFileBuilder::new();
    for group in groups {
        let mut dimensions: Vec<(String, usize, DimensionId)> = vec![];
        if group.draws > 0 {
            for (name, size) in [("chain", group.chains.max(1)), ("draw", group.draws)] {
                dimension(&mut file, group, (name, None), size, &mut dimensions)?;
            }
        }
        for array in &group.arrays {
            let mut along: Vec<DimensionId> =
                dimensions.iter().take(2 * usize::from(group.draws > 0)).map(|d| d.2).collect();
            for (axis, &size) in array.axes.iter().zip(&array.shape) {
                // Two arrays may have an axis of one name and different sizes: rows that are held out, say.
                let taken = |n: &str, d: &[(String, usize, DimensionId)]| d.iter().any(|d| d.0 == n && d.1 != size);
                let mut name = plain(axis);
                while matches!(name.as_str(), "chain" | "draw") || taken(&name, &dimensions) {
                    name.push('_');
                }
                along.push(dimension(&mut file, group, (&name, Some(axis)), size, &mut dimensions)?);
            }
            let name = plain(&array.name);
            let variable = file.add_variable_path::<f64>(format!("{}/{name}", group.name), &along)?;
            file.write_variable(variable, &array.values)?;
        }
        for (name, value) in &group.attributes {
            file.add_group_attribute(&group.name, name, NcAttrValue::Chars(value.clone()))?;
        }
    }
    Ok(file.to_vec(NcWriteOptions { format: NcWriteFormat::Nc4 })?.1)
}

/// A dimension of a group with its coordinate: the levels of its axis, or 0, 1, 2, …
fn dimension(
    file: &mut NcFileBuilder,
    group: &Group,
    (name, axis): (&str, Option<&String>),
    size: usize,
    known: &mut Vec<(String, usize, DimensionId)>,
) -> Result<DimensionId, NetcdfError> {
    if let Some(found) = known.iter().find(|d| d.0 == name) {
        return Ok(found.2);
    }
    let path = format!("{}/{name}", group.name);
    let id = file.add_dimension_path(&path, size as u64)?;
    known.push((name.to_owned(), size, id));
    if let Some(levels) = axis.and_then(|axis| group.labels.get(axis)).filter(|levels| levels.len() == size) {
        // Levels that are whole numbers, and rows, are chosen as numbers.
        if let Some(numbers) = whole(levels) {
            let coordinate = file.add_variable_path::<i64>(&path, &[id])?;
            file.write_variable(coordinate, &numbers)?;
            return Ok(id);
        }
        let coordinate = file.add_string_variable_path(&path, &[id])?;
        file.write_string_variable(coordinate, levels)?;
        return Ok(id);
    }
    let coordinate = file.add_variable_path::<i64>(&path, &[id])?;
    let places: Vec<i64> = (0..i64::try_from(size).unwrap_or(i64::MAX)).collect();
    file.write_variable(coordinate, &places)?;
    Ok(id)
}

/// Levels as numbers, where each is one as it is written.
fn whole(levels: &[String]) -> Option<Vec<i64>> {
    levels.iter().map(|level| level.parse().ok().filter(|n: &i64| n.to_string() == *level)).collect()
}

/// A name without the marks that paths and tools read otherwise: `N'` becomes `N_prime`.
fn plain(name: &str) -> String {
    name.replace('\'', "_prime").replace(['/', ' '], "_")
}
