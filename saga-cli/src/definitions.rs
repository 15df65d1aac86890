//! Tasks about definitions: the check of open sagas, pauses.

use std::io::Write;
use std::process::ExitCode;

use anstream::stdout;
use anstyle::AnsiColor;
use saga_runtime::engine::Escaped;
use saga_runtime::operator::{Accepted, CheckView, Operator};

use crate::arguments::Place;
use crate::output::{DOES_NOT_FIT, Failure, color, json};

/// Pauses a definition.
pub(crate) async fn pause(
    operator: &Operator,
    name: &str,
    reason: &str,
    place: &Place,
    is_json: bool,
) -> Result<ExitCode, Failure> {
    let accepted = operator.pause(name, &place.signed(reason)).await?;
    accept(name, "paused", &accepted, is_json)
}

/// Resumes a definition.
pub(crate) async fn resume(
    operator: &Operator,
    name: &str,
    is_json: bool,
) -> Result<ExitCode, Failure> {
    let accepted = operator.resume(name).await?;
    accept(name, "resumed", &accepted, is_json)
}

fn accept(name: &str, done: &str, accepted: &Accepted, is_json: bool) -> Result<ExitCode, Failure> {
    if is_json {
        json(accepted)?;
    } else {
        writeln!(stdout(), "{}: {done}: {}", Escaped(name), accepted.how)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks if the open sagas fit their definitions.
pub(crate) async fn check(operator: &Operator, is_json: bool) -> Result<ExitCode, Failure> {
    let view = operator.check().await?;
    if is_json {
        json(&view)?;
    } else {
        print(&view)?;
    }
    Ok(if view.is_replayed && view.is_fine() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DOES_NOT_FIT)
    })
}

const HOW: &str = "\
The code of these sagas is not here, so none was replayed. To check code before it is deployed, let it check a copy of the journal:

    let report = Coordinator::builder(services).journal(copy).register::<PlaceOrder>().check().await?;

To check the code that runs now, give the address of its console: `saga --journal http://127.0.0.1:8080/sagas check`.";

fn print(view: &CheckView) -> Result<(), Failure> {
    let (mut out, red) = (stdout(), color(AnsiColor::Red));
    for one in &view.definitions {
        write!(
            out,
            "{} version {}: {} open, {} stuck",
            Escaped(&one.name),
            one.version,
            one.open,
            one.stuck
        )?;
        if one.is_registered == Some(false) {
            write!(out, ", {red}not registered{red:#}")?;
        }
        writeln!(out)?;
    }
    if view.definitions.is_empty() {
        writeln!(out, "No saga is open.")?;
    }
    if !view.is_replayed {
        writeln!(out, "\n{HOW}")?;
        return Ok(());
    }
    writeln!(
        out,
        "{} open sagas were replayed, {} do not fit their definitions",
        view.checked, view.misfit_count
    )?;
    for misfit in &view.misfits {
        writeln!(
            out,
            "  {red}{}{red:#} ({} version {}): {}: {}",
            misfit.id,
            Escaped(&misfit.name),
            misfit.version,
            misfit.code,
            Escaped(&misfit.message)
        )?;
    }
    let more = view.misfit_count.saturating_sub(view.misfits.len() as u64);
    if more > 0 {
        writeln!(out, "  and {more} more")?;
    }
    Ok(())
}
