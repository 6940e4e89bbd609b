//! `export`: a saved run's history in a form that other tools read.

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::PathBuf;

use paxosctl_chaos::history;
use paxosctl_chaos::history::export::{Format, write};

use crate::cli::{ExportArgs, ExportFormat};
use crate::exit::{Failure, Outcome};
use crate::state::RunDir;

#[derive(Debug)]
pub struct ExportRequest {
    dir: RunDir,
    format: Format,
    output: Option<PathBuf>,
}

impl ExportRequest {
    pub(super) fn new(typed: ExportArgs) -> Result<ExportRequest, Failure> {
        Ok(ExportRequest {
            dir: RunDir::open(&typed.run_dir)?,
            format: match typed.format {
                ExportFormat::Edn => Format::Edn,
                ExportFormat::Jsonl => Format::JsonLines,
            },
            output: typed.output,
        })
    }
}

/// Writes the history, line by line.
///
/// # Errors
/// The history cannot be read, or the file cannot be written.
pub fn export(request: &ExportRequest) -> Result<Outcome, Failure> {
    let path = request.dir.history();
    let file = File::open(&path).map_err(|error| Failure::file("read", &path, error))?;
    let evidence = history::read(file).map_err(|error| {
        Failure::Cluster(format!("{} cannot be exported: {error}", path.display()))
    })?;
    let written = |mut out: BufWriter<Box<dyn Write>>| {
        write(&evidence, request.format, &mut out).and_then(|()| out.flush())
    };
    match &request.output {
        Some(path) => {
            let failed = |error| Failure::file("write", path, error);
            let file = File::create(path).map_err(failed)?;
            written(BufWriter::new(Box::new(file))).map_err(failed)?;
        }
        None => match written(BufWriter::new(Box::new(io::stdout().lock()))) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                return Err(Failure::OutputClosed);
            }
            Err(error) => {
                let text = format!("cannot write to standard output: {error}");
                return Err(Failure::Cluster(text));
            }
        },
    }
    Ok(Outcome::Success)
}
