//! How a command ends: the exit status that scripts read, and the message that people read.

use std::fmt;
use std::process::ExitCode;

use verifier::printable;

/// The exit status of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// The command did what it was asked; a proof was accepted.
    Success,
    /// A proof or a key was refused, or the work failed.
    Refused,
    /// Wrong usage, or a file that can't be read as what it should be.
    Misuse,
    /// The process was asked to end, as by Ctrl-C.
    Interrupted,
}

impl ExitStatus {
    /// The number that scripts read.
    pub(crate) fn code(self) -> u8 {
        match self {
            ExitStatus::Success => 0,
            ExitStatus::Refused => 1,
            ExitStatus::Misuse => 2,
            // 128 and the number of SIGINT, as shells have it.
            ExitStatus::Interrupted => 130,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the process exits with.
    pub(crate) status: ExitStatus,
    /// What went wrong, with its causes.
    pub(crate) error: anyhow::Error,
    /// What the user can do about it.
    pub(crate) remedy: Option<String>,
}

/// What every command returns.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// The command or one of its files can't be used as given.
    pub(crate) fn misuse(error: impl Into<anyhow::Error>) -> Self {
        Self { status: ExitStatus::Misuse, error: error.into(), remedy: None }
    }

    /// The work failed, or what was to be checked does not hold.
    pub(crate) fn refused(error: impl Into<anyhow::Error>) -> Self {
        Self { status: ExitStatus::Refused, error: error.into(), remedy: None }
    }

    /// Says what was being done.
    pub(crate) fn context(self, context: impl fmt::Display + Send + Sync + 'static) -> Self {
        Self { error: self.error.context(context), ..self }
    }

    /// Says what the user can do.
    pub(crate) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names in it may come from files.
        write!(f, "error: {}", printable(&with_causes(&self.error)))?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n  help: {}", printable(remedy)),
            None => Ok(()),
        }
    }
}

/// An error and its causes in one line. A cause that the error before it already tells at its end is not told again.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| match told.as_str() {
        "" => cause,
        _ if told.ends_with(&cause) => told,
        _ => format!("{told}: {cause}"),
    })
}

/// Turns the errors of the libraries into failures.
pub(crate) trait OrFail<T> {
    /// An error is a misuse of the command or an unreadable file.
    fn or_misuse(self, context: impl fmt::Display + Send + Sync + 'static) -> Outcome<T>;
    /// An error is a refusal or a failure of the work.
    fn or_refused(self, context: impl fmt::Display + Send + Sync + 'static) -> Outcome<T>;
}

impl<T, E: Into<anyhow::Error>> OrFail<T> for Result<T, E> {
    fn or_misuse(self, context: impl fmt::Display + Send + Sync + 'static) -> Outcome<T> {
        self.map_err(|error| Failure::misuse(error).context(context))
    }

    fn or_refused(self, context: impl fmt::Display + Send + Sync + 'static) -> Outcome<T> {
        self.map_err(|error| Failure::refused(error).context(context))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let cause = || anyhow::anyhow!("no space");
        assert_eq!(
            with_causes(&cause().context("the file: no space").context("at the end")),
            "at the end: the file: no space"
        );
        assert_eq!(with_causes(&cause().context("the file")), "the file: no space");
    }
}
