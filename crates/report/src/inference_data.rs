//! `posterior.nc`: draws and data as ArviZ InferenceData, in NetCDF-4 groups.

use indexmap::IndexMap;
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
pub enum NetcdfError {
    /// The format has no place for something.
    #[error("the draws cannot be written as NetCDF: {0}")]
    Format(#[from] netcdf_writer::Error),
    /// More arrays along one dimension than its list of them can hold.
    #[error(
        "its group {group} would hold {arrays} arrays along `{along}`, and NetCDF as it is written here lists at most {MOST_ALONG}; \
         write what is computed alike as one array, `let a[K] = …` in the place of a `let` for each"
    )]
    TooMany {
        /// The group.
        group: String,
        /// The dimension.
        along: String,
        /// How many there are.
        arrays: usize,
    },
}

/// Arrays along one dimension: the writer lists them in one message of at most 65,535 bytes, 16 for each, behind a head.
pub const MOST_ALONG: usize = 4000;

/// The bytes of a NetCDF-4 file with these groups.
///
/// # Errors
/// A name or a size that has no place in the format.
pub fn inference_data(groups: &[Group]) -> Result<Vec<u8>, NetcdfError> {
    let mut file = NcFileBuilder::new();
    for group in groups {
        few_enough(group)?;
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

/// Whether no dimension of a group has more arrays along it than it can list.
fn few_enough(group: &Group) -> Result<(), NetcdfError> {
    let mut along: IndexMap<&str, usize> = IndexMap::new();
    if group.draws > 0 {
        along.insert("draw", group.arrays.len());
    }
    for axis in group.arrays.iter().flat_map(|a| &a.axes) {
        *along.entry(axis).or_default() += 1;
    }
    match along.into_iter().find(|(_, arrays)| *arrays > MOST_ALONG) {
        Some((along, arrays)) => {
            Err(NetcdfError::TooMany { group: group.name.clone(), along: along.to_owned(), arrays })
        }
        None => Ok(()),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_lists_so_many_arrays_and_no_more() {
        let arrays = |count: usize| -> Vec<Array> {
            let one = |k: usize| Array { name: format!("value_{k}"), values: vec![0.5, 1.5], ..Array::default() };
            (0..count).map(one).collect()
        };
        let group = |count| Group { name: "posterior".into(), draws: 2, arrays: arrays(count), ..Group::default() };
        assert!(inference_data(&[group(MOST_ALONG)]).is_ok());
        let refused = inference_data(&[group(MOST_ALONG + 1)]).unwrap_err().to_string();
        assert!(refused.contains("group posterior would hold 4001 arrays along `draw`"), "{refused}");
        assert!(refused.contains("as one array"), "{refused}");
    }

    #[test]
    fn whole_numbers_are_coordinates_as_numbers() {
        let levels = |of: &[&str]| whole(&of.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>());
        assert_eq!(levels(&["4", "-6", "8"]), Some(vec![4, -6, 8]));
        assert_eq!(levels(&["4", "06"]), None);
        assert_eq!(levels(&["4", "six"]), None);
    }
}
