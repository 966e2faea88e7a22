//! A table for DuckDB, Spark, pandas and whoever else reads Apache Parquet.
//!
//! Invariant: streams; no more than one group of rows is in memory. Every column may be null. Moments are in UTC, in
//! microseconds: all readers know those.

use std::{io::Write, mem, sync::Arc};

use parquet::{
    basic::{Compression, GzipLevel, LogicalType, Repetition, TimeUnit, Type as Physical},
    column::writer::ColumnWriter,
    data_type::ByteArray,
    errors::ParquetError,
    file::{
        properties::WriterProperties,
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::types::Type,
};

use super::table::{Head, Kind, Rows, Value};
use crate::error::Error;

/// Rows of a group. A row of a table takes some hundred bytes.
const GROUP: usize = 32_768;

/// A table being written.
pub struct Parquet<'a> {
    out: SerializedFileWriter<&'a mut (dyn Write + Send)>,
    columns: Vec<Values>,
    rows: usize,
}

impl std::fmt::Debug for Parquet<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parquet").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// What of a column is not written yet: the values that there are, and for each row whether it has one.
#[derive(Debug)]
struct Values {
    there: Vec<i16>,
    known: Known,
}

#[derive(Debug)]
enum Known {
    Text(Vec<ByteArray>),
    Whole(Vec<i64>),
    Real(Vec<f64>),
    Truth(Vec<bool>),
}

impl Known {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(Vec::new()),
            Kind::Whole | Kind::Moment => Self::Whole(Vec::new()),
            Kind::Real => Self::Real(Vec::new()),
            Kind::Truth => Self::Truth(Vec::new()),
        }
    }
}

impl<'a> Parquet<'a> {
    pub fn new(out: &'a mut (dyn Write + Send), name: &str, head: &[Head]) -> Result<Self, Error> {
        let fields = head.iter().map(|head| field(*head).map(Arc::new)).collect::<Result<_, _>>();
        let schema = fields.and_then(|fields| Type::group_type_builder(name).with_fields(fields).build());
        let properties = WriterProperties::builder()
            .set_compression(Compression::GZIP(GzipLevel::default()))
            .set_created_by(concat!("lastrites ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let out = schema
            .and_then(|schema| SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)))
            .map_err(failed)?;
        let columns =
            head.iter().map(|(_, kind)| Values { there: Vec::new(), known: Known::of(*kind) }).collect();
        Ok(Self { out, columns, rows: 0 })
    }

    /// Writes what is left, and the index that stands at the end.
    pub fn finish(mut self) -> Result<(), Error> {
        self.group()?;
        self.out.close().map_err(failed)?;
        Ok(())
    }

    fn group(&mut self) -> Result<(), Error> {
        if mem::take(&mut self.rows) == 0 {
            return Ok(());
        }
        let mut group = self.out.next_row_group().map_err(failed)?;
        for values in &mut self.columns {
            values.write(&mut group).map_err(failed)?;
        }
        group.close().map_err(failed)?;
        Ok(())
    }
}

impl Rows for Parquet<'_> {
    fn row(&mut self, values: &[Value]) -> Result<(), Error> {
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
        self.rows += 1;
        if self.rows == GROUP {
            self.group()?;
        }
        Ok(())
    }
}

impl Values {
    fn push(&mut self, value: &Value) {
        let there = match (&mut self.known, value) {
            (Known::Text(known), Value::Text(text)) => {
                known.push(text.as_str().into());
                true
            }
            (Known::Whole(known), Value::Whole(number)) => {
                known.push(*number);
                true
            }
            (Known::Whole(known), Value::Moment(ns)) => {
                known.push(ns.div_euclid(1000));
                true
            }
            (Known::Real(known), Value::Real(number)) => {
                known.push(*number);
                true
            }
            (Known::Truth(known), Value::Truth(truth)) => {
                known.push(*truth);
                true
            }
            _ => false,
        };
        self.there.push(there.into());
    }

    fn write<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<(), ParquetError> {
        let Some(mut column) = group.next_column()? else {
            return Err(ParquetError::General("more columns than the schema has".into()));
        };
        let there = mem::take(&mut self.there);
        match (column.untyped(), &mut self.known) {
            (ColumnWriter::ByteArrayColumnWriter(to), Known::Text(known)) => {
                to.write_batch(&mem::take(known), Some(&there), None)?
            }
            (ColumnWriter::Int64ColumnWriter(to), Known::Whole(known)) => {
                to.write_batch(&mem::take(known), Some(&there), None)?
            }
            (ColumnWriter::DoubleColumnWriter(to), Known::Real(known)) => {
                to.write_batch(&mem::take(known), Some(&there), None)?
            }
            (ColumnWriter::BoolColumnWriter(to), Known::Truth(known)) => {
                to.write_batch(&mem::take(known), Some(&there), None)?
            }
            _ => return Err(ParquetError::General("a column of another type than the schema has".into())),
        };
        column.close()
    }
}

fn field((name, kind): Head) -> Result<Type, ParquetError> {
    let (physical, logical) = match kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Whole => (Physical::INT64, None),
        Kind::Real => (Physical::DOUBLE, None),
        Kind::Truth => (Physical::BOOLEAN, None),
        Kind::Moment => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
    };
    Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical)
        .build()
}

/// What went wrong is nearly always the writing itself.
fn failed(error: ParquetError) -> Error {
    match error {
        ParquetError::External(source) => match source.downcast::<std::io::Error>() {
            Ok(source) => (*source).into(),
            Err(source) => {
                Error::failed("the table", source, "report it as a bug of lastrites, with the recording")
            }
        },
        error => Error::failed("the table", error, "report it as a bug of lastrites, with the recording"),
    }
}
