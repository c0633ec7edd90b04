//! Where a database is, from what a person wrote.

use std::path::PathBuf;

use sqlx::postgres::PgConnectOptions;

use super::error::OpenError;

/// A file or a server.
pub(super) enum Location {
    File(PathBuf),
    Server(Box<PgConnectOptions>),
}

impl Location {
    /// `sqlite:PATH`, `sqlite://PATH` and a plain path are a file; `postgres://` and `postgresql://`
    /// a server.
    pub(super) fn parse(url: &str) -> Result<Self, OpenError> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            // The text may hold a password: none of it is repeated.
            let options = url.parse().map_err(|error: sqlx::Error| OpenError {
                what: "cannot use the database URL".into(),
                why: "it is not a PostgreSQL URL".into(),
                hint: "write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE, with reserved \
                       characters percent-encoded"
                    .into(),
                source: Some(error.into()),
            })?;
            return Ok(Self::Server(Box::new(options)));
        }
        let path = url.strip_prefix("sqlite:").map_or(url, |rest| {
            // Three slashes are two and an absolute path.
            rest.strip_prefix("//").unwrap_or(rest)
        });
        if path.is_empty() || path == ":memory:" || url.contains("://") && path == url {
            return Err(OpenError {
                what: "cannot use the database URL".into(),
                why: "it names neither a file nor a PostgreSQL server".into(),
                hint: "write sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE".into(),
                source: None,
            });
        }
        Ok(Self::File(path.into()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn files_in_each_spelling() {
        for (url, path) in [
            ("sqlite:/var/hanse.db", "/var/hanse.db"),
            ("sqlite:///var/hanse.db", "/var/hanse.db"),
            ("sqlite:hanse.db", "hanse.db"),
            ("./data/hanse.db", "./data/hanse.db"),
        ] {
            let parsed = Location::parse(url);
            assert!(
                matches!(parsed, Ok(Location::File(found)) if found == Path::new(path)),
                "{url}"
            );
        }
    }

    #[test]
    fn neither_file_nor_server() {
        for url in ["", "sqlite:", "sqlite::memory:", "mysql://host/db"] {
            assert!(Location::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_bad_url_keeps_its_password() {
        let error = Location::parse("postgres://hanse:s3cret@host:port/db").err();
        let text = format!("{error:?}");
        assert!(text.contains("OpenError") && !text.contains("s3cret"), "{text}");
    }
}
