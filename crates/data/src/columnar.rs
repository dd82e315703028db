//! Tables in Parquet and in Arrow's files: record batches, column by column.
//!
//! Whole numbers, floats, truth values, texts and dictionaries of texts are read; dates and times become texts in the form
//! of ISO 8601, at Greenwich. A dictionary of an Arrow file that says that it is ordered states the order of
//! its levels; Parquet keeps no order of its dictionaries.

use std::path::Path;

use crate::error::{DataError, Kind};
use crate::table::Read;
use crate::{Format, Table};

#[cfg(not(feature = "columnar"))]
pub(crate) fn read(path: &Path, _: Format, _: &Table) -> Result<Read, DataError> {
    Err(DataError::file(Kind::Format, path, "this build of fe reads no Parquet and no Arrow files")
        .help("build it with the feature `columnar`, which is there by default, or save the table as csv"))
}

#[cfg(feature = "columnar")]
pub(crate) use enabled::read;

#[cfg(feature = "columnar")]
mod bounds;

#[cfg(feature = "columnar")]
mod enabled {
    use std::fs::File;
    use std::io::{Cursor, Read as _};
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use arrow_array::cast::AsArray;
    use arrow_array::types::{
        Date32Type, Date64Type, Decimal128Type, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
        Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
        UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    };
    use arrow_array::{Array, ArrowPrimitiveType, RecordBatch};
    use arrow_ipc::reader::FileReaderBuilder;
    use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
    use chrono::{DateTime, Utc};
    use parquet::arrow::ProjectionMask;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::bounds;
    use super::{DataError, Format, Kind, Path, Read, Table};
    use crate::column::Column;
    use crate::error::Place;
    use crate::file;
    use crate::table::{choose, named};

    /// The most values that are read of one file: a column of one value may be a few bytes, however many rows it has.
    const MOST_VALUES: usize = 1 << 29;

    /// Reads the columns that are asked for.
    pub(crate) fn read(path: &Path, format: Format, wanted: &Table) -> Result<Read, DataError> {
        let (file, _) = file::open(path)?;
        // The libraries hold what they check; where a damaged file gets past that, it is a damaged file.
        catch_unwind(AssertUnwindSafe(|| match format {
            Format::Arrow => arrow(path, file, wanted),
            _ => parquet(path, file, wanted),
        }))
        .unwrap_or_else(|_| Err(damaged(path, "it is damaged")))
    }

    fn damaged(path: &Path, why: impl std::fmt::Display) -> DataError {
        DataError::file(Kind::Format, path, format!("it cannot be read: {why}"))
            .help("the file is damaged or incomplete: copy or write it again")
    }

    fn parquet(path: &Path, file: File, wanted: &Table) -> Result<Read, DataError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| damaged(path, e))?;
        // The library takes these for granted.
        let whole = |c: &parquet::file::metadata::ColumnChunkMetaData| {
            c.data_page_offset() >= 0 && c.compressed_size() >= 0 && c.dictionary_page_offset().is_none_or(|o| o >= 0)
        };
        if !builder.metadata().row_groups().iter().flat_map(|g| g.columns()).all(whole) {
            return Err(damaged(path, "a column begins before the file"));
        }
        let schema = builder.schema().clone();
        let chosen = Chosen::of(path, &schema, wanted)?;
        let mask = ProjectionMask::roots(builder.parquet_schema(), chosen.roots.iter().copied());
        let reader = builder.with_projection(mask).build().map_err(|e| damaged(path, e))?;
        chosen.read(path, reader, false)
    }

    fn arrow(path: &Path, mut file: File, wanted: &Table) -> Result<Read, DataError> {
        let mut bytes = vec![];
        file.read_to_end(&mut bytes).map_err(|e| DataError::io(path, &e))?;
        if let Some(why) = bounds::wrong(&bytes) {
            return Err(damaged(path, why));
        }
        let whole = FileReaderBuilder::new().build(Cursor::new(&bytes)).map_err(|e| damaged(path, e))?;
        let chosen = Chosen::of(path, &whole.schema(), wanted)?;
        let reader = FileReaderBuilder::new().with_projection(chosen.roots.clone()).build(Cursor::new(&bytes));
        chosen.read(path, reader.map_err(|e| damaged(path, e))?, true)
    }

    /// The columns asked for, and those that a condition looks at.
    struct Chosen {
        /// Their places in the file, ascending, each once: what is read.
        roots: Vec<usize>,
        /// Places among these, and fields.
        columns: Vec<(usize, Field)>,
        conditions: Vec<(usize, Field)>,
    }

    impl Chosen {
        fn of(path: &Path, schema: &Schema, wanted: &Table) -> Result<Self, DataError> {
            let listed: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            let columns = choose(path, &listed, &wanted.columns)?;
            let looked_at = wanted.rows.as_ref().map(|c| c.columns()).unwrap_or_default();
            let conditions = named(path, &listed, &looked_at)?;
            // Of all columns, those that are no numbers are left out, whatever else they are.
            let unnamed = matches!(wanted.columns, crate::Columns::AllBut(_));
            let readable =
                |place: &usize| schema.fields().get(*place).is_some_and(|f| kind_of(f.data_type()).is_some());
            let columns: Vec<usize> = columns.into_iter().filter(|c| !unnamed || readable(c)).collect();
            let mut roots = [columns.as_slice(), &conditions].concat();
            roots.sort_unstable();
            roots.dedup();
            let among = |places: Vec<usize>| -> Vec<(usize, Field)> {
                let of =
                    |p: usize| Some((roots.iter().position(|r| *r == p)?, schema.fields().get(p)?.as_ref().clone()));
                places.into_iter().filter_map(of).collect()
            };
            let (columns, conditions) = (among(columns), among(conditions));
            Ok(Self { roots, columns, conditions })
        }

        fn read(
            self,
            path: &Path,
            batches: impl Iterator<Item = Result<RecordBatch, ArrowError>>,
            ordered: bool,
        ) -> Result<Read, DataError> {
            let open = |chosen: &[(usize, Field)]| -> Vec<Column> {
                chosen.iter().map(|(_, field)| Column::new(field.name())).collect()
            };
            let width = self.columns.len() + self.conditions.len();
            let mut read = Read { columns: open(&self.columns), conditions: open(&self.conditions), count: 0 };
            for batch in batches {
                let batch = batch.map_err(|e| damaged(path, e))?;
                read.count += batch.num_rows();
                if read.count.saturating_mul(width) > MOST_VALUES {
                    return Err(DataError::file(
                        Kind::TooLarge,
                        path,
                        format!("it holds more than {MOST_VALUES} values"),
                    ));
                }
                let both =
                    read.columns.iter_mut().zip(&self.columns).chain(read.conditions.iter_mut().zip(&self.conditions));
                for (column, (place, field)) in both {
                    let Some(array) = batch.columns().get(*place) else {
                        return Err(damaged(path, "a column is missing"));
                    };
                    append(column, array.as_ref(), ordered && field.dict_is_ordered() == Some(true))
                        .ok_or_else(|| unreadable(path, field))?;
                }
            }
            Ok(read)
        }
    }

    fn unreadable(path: &Path, field: &Field) -> DataError {
        DataError::file(Kind::ElementType, path, format!("its elements are of the type {}", field.data_type()))
            .at(Place::Column(field.name().clone()))
            .help("numbers, truth values, texts and dates are read; make one of these of it where the file is made")
    }

    /// What is read of a type.
    #[derive(Clone, Copy, PartialEq)]
    enum ReadAs {
        Truth,
        Number,
        Text,
        Dictionary,
    }

    fn kind_of(of: &DataType) -> Option<ReadAs> {
        use DataType as D;
        Some(match of {
            D::Boolean => ReadAs::Truth,
            D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 => ReadAs::Number,
            D::Float16 | D::Float32 | D::Float64 | D::Decimal128(..) => ReadAs::Number,
            D::Utf8 | D::LargeUtf8 | D::Utf8View | D::Date32 | D::Date64 | D::Timestamp(..) => ReadAs::Text,
            D::Dictionary(_, values) if kind_of(values) == Some(ReadAs::Text) => ReadAs::Dictionary,
            _ => return None,
        })
    }

    /// Appends the elements of a batch; `None` where they cannot be read. `ordered`: a dictionary states the order of its levels.
    fn append(column: &mut Column, array: &dyn Array, ordered: bool) -> Option<()> {
        let rows = array.len();
        match kind_of(array.data_type())? {
            ReadAs::Truth => {
                let truths = array.as_boolean_opt()?;
                for row in 0..rows {
                    match array.is_null(row) {
                        true => column.missing(),
                        false => column.text(if truths.value(row) { "true" } else { "false" }),
                    }
                }
            }
            ReadAs::Number => {
                let (numbers, whole) = numbers(array)?;
                for (row, number) in numbers.into_iter().enumerate() {
                    match array.is_null(row) || number.is_nan() {
                        true => column.missing(),
                        false => column.number(number, whole),
                    }
                }
            }
            ReadAs::Text => {
                for text in texts(array)? {
                    match text {
                        Some(text) => column.text(&text),
                        None => column.missing(),
                    }
                }
            }
            ReadAs::Dictionary => {
                let dictionary = array.as_any_dictionary_opt()?;
                let levels = texts(dictionary.values().as_ref())?;
                if ordered {
                    column.state(levels.iter().flatten().cloned());
                }
                let keys = dictionary.normalized_keys();
                for (row, key) in keys.into_iter().enumerate() {
                    match levels.get(key).and_then(Option::as_ref).filter(|_| !array.is_null(row)) {
                        Some(level) => column.text(level),
                        None => column.missing(),
                    }
                }
            }
        }
        Some(())
    }

    /// Numbers, and whether they are whole by their type.
    fn numbers(array: &dyn Array) -> Option<(Vec<f64>, bool)> {
        fn of<T: ArrowPrimitiveType>(array: &dyn Array, f: impl Fn(T::Native) -> f64) -> Option<Vec<f64>> {
            Some(array.as_primitive_opt::<T>()?.values().iter().map(|v| f(*v)).collect())
        }
        let whole = match array.data_type() {
            DataType::Int8 => of::<Int8Type>(array, f64::from),
            DataType::Int16 => of::<Int16Type>(array, f64::from),
            DataType::Int32 => of::<Int32Type>(array, f64::from),
            DataType::Int64 => of::<Int64Type>(array, |v| v as f64),
            DataType::UInt8 => of::<UInt8Type>(array, f64::from),
            DataType::UInt16 => of::<UInt16Type>(array, f64::from),
            DataType::UInt32 => of::<UInt32Type>(array, f64::from),
            DataType::UInt64 => of::<UInt64Type>(array, |v| v as f64),
            _ => None,
        };
        if let Some(values) = whole {
            return Some((values, true));
        }
        let real = match array.data_type() {
            DataType::Float16 => of::<Float16Type>(array, f64::from),
            DataType::Float32 => of::<Float32Type>(array, f64::from),
            DataType::Float64 => of::<Float64Type>(array, |v| v),
            DataType::Decimal128(_, scale) => {
                let unit = 10f64.powi(i32::from(*scale));
                of::<Decimal128Type>(array, |v| v as f64 / unit)
            }
            _ => None,
        };
        Some((real?, false))
    }

    /// Texts; dates and times as they are written.
    fn texts(array: &dyn Array) -> Option<Vec<Option<String>>> {
        fn at<T: ArrowPrimitiveType>(
            array: &dyn Array,
            form: &str,
            time: impl Fn(T::Native) -> Option<DateTime<Utc>>,
        ) -> Option<Vec<Option<String>>> {
            let times = array.as_primitive_opt::<T>()?;
            let one = |v: Option<T::Native>| Some(v.and_then(&time).map(|t| t.format(form).to_string()));
            times.iter().map(one).collect()
        }
        let (date, time) = ("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%.f");
        let day = |days: i64| DateTime::from_timestamp(days.checked_mul(86_400)?, 0);
        let owned = |text: Option<&str>| text.map(str::to_owned);
        match array.data_type() {
            DataType::Utf8 => Some(array.as_string_opt::<i32>()?.iter().map(owned).collect()),
            DataType::LargeUtf8 => Some(array.as_string_opt::<i64>()?.iter().map(owned).collect()),
            DataType::Utf8View => Some(array.as_string_view_opt()?.iter().map(owned).collect()),
            DataType::Date32 => at::<Date32Type>(array, date, |v| day(i64::from(v))),
            DataType::Date64 => at::<Date64Type>(array, date, DateTime::from_timestamp_millis),
            DataType::Timestamp(unit, _) => match unit {
                TimeUnit::Second => at::<TimestampSecondType>(array, time, |v| DateTime::from_timestamp(v, 0)),
                TimeUnit::Millisecond => at::<TimestampMillisecondType>(array, time, DateTime::from_timestamp_millis),
                TimeUnit::Microsecond => at::<TimestampMicrosecondType>(array, time, DateTime::from_timestamp_micros),
                TimeUnit::Nanosecond => {
                    at::<TimestampNanosecondType>(array, time, |v| Some(DateTime::from_timestamp_nanos(v)))
                }
            },
            _ => None,
        }
    }
}
