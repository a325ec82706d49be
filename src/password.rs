//! Where a password comes from.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Read},
    path::Path,
};

use crate::failure::Failure;

/// How often it is asked for on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// Once: the server knows whether it is right.
    Once,
    /// Twice: nobody could tell a slip otherwise.
    Twice,
}

/// From the file, the variable, the terminal or standard input, in this order.
pub(crate) fn read(file: Option<&Path>, ask: Ask) -> Result<String, Failure> {
    let password = match (file, std::env::var("NUDGE_PASSWORD")) {
        (Some(path), _) => File::open(path).and_then(first_line).map_err(|error| {
            Failure::configuration(format!("--password-file {}: {error}", path.display()))
        })?,
        (None, Ok(password)) => password,
        (None, Err(_)) if io::stdin().is_terminal() => prompt(ask)?,
        (None, Err(_)) => first_line(io::stdin())?,
    };
    if password.is_empty() {
        return Err(Failure::configuration(
            "the password is empty: give --password-file or NUDGE_PASSWORD, or type it",
        ));
    }
    Ok(password)
}

fn prompt(ask: Ask) -> Result<String, Failure> {
    let password = rpassword::prompt_password("Password: ")?;
    if ask == Ask::Twice && rpassword::prompt_password("Once more: ")? != password {
        return Err(Failure::new("the two are not the same: nothing was done"));
    }
    Ok(password)
}

/// Without its end; no more is read than a password can have.
fn first_line(from: impl Read) -> io::Result<String> {
    let mut line = String::new();
    BufReader::new(from.take(LINE_BYTES_MAX)).read_line(&mut line)?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

const LINE_BYTES_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_with_its_spaces() {
        for (text, password) in
            [("secret\n", "secret"), ("a b \r\nmore\n", "a b "), ("no end", "no end"), ("", "")]
        {
            assert_eq!(first_line(text.as_bytes()).unwrap(), password);
        }
    }
}
