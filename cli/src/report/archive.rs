//! A bundle's outermost form: a tar file (POSIX ustar) of plain files, the same to the byte for the
//! same contents. `tar xf` unpacks it; here it is only read, entry by entry, and nothing is unpacked:
//! whatever this module would not have written is refused.
//!
//! Each entry is a header of 512 bytes and the contents, filled up with zeros to a multiple of 512;
//! two blocks of zeros end the file.

use std::io::{self, Read, Write};

use hanse_domain::ids::Digest;

const BLOCK: usize = 512;
const BLOCK_U64: u64 = 512;
/// All paths begin with it, so that unpacking does not litter a folder.
pub(crate) const FOLDER: &str = "hanse-access/";
/// Most bytes of a path.
const MAX_PATH: usize = 250;
/// Most bytes of one file: what eleven octal digits say.
const MAX_SIZE: u64 = (1 << 33) - 1;

/// Why an archive is not read on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArchiveError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it ends in the middle of {0}")]
    Truncated(String),
    #[error("{0}")]
    Form(String),
}

fn form(why: impl Into<String>) -> ArchiveError {
    ArchiveError::Form(why.into())
}

/// Writes an archive and the digest of each file.
#[derive(Debug)]
pub(crate) struct Writer<W> {
    out: W,
    sums: Vec<(String, Digest)>,
}

impl<W: Write> Writer<W> {
    pub(crate) const fn new(out: W) -> Self {
        Self { out, sums: Vec::new() }
    }

    /// A file from memory.
    pub(crate) fn file(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        self.stream(path, content.len() as u64, content)
    }

    /// A file of a known size.
    pub(crate) fn stream(&mut self, path: &str, size: u64, content: impl Read) -> io::Result<()> {
        let path = format!("{FOLDER}{path}");
        let header = header(&path, size)
            .ok_or_else(|| io::Error::other(format!("{path} has no place in an archive")))?;
        self.out.write_all(&header)?;
        let mut hashed = Hashing::new(content.take(size));
        let copied = io::copy(&mut hashed, &mut self.out)?;
        if copied != size {
            return Err(io::Error::other(format!("{path} has become shorter")));
        }
        self.out.write_all(&vec![0; padding(size)])?;
        self.sums.push((path, hashed.digest()));
        Ok(())
    }

    /// The file with all digests, then the end.
    pub(crate) fn end(mut self) -> io::Result<W> {
        let sums = sums(&self.sums);
        self.file(SUMS, sums.as_bytes())?;
        self.out.write_all(&[0; BLOCK * 2])?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// The file with the digests of all others, as `sha256sum -c` reads it.
pub(crate) const SUMS: &str = "SHA256SUMS";

fn sums(of: &[(String, Digest)]) -> String {
    of.iter().fold(String::new(), |all, (path, digest)| all + &format!("{digest}  {path}\n"))
}

/// Reads an archive in order.
#[derive(Debug)]
pub(crate) struct Reader<R> {
    from: R,
    sums: Vec<(String, Digest)>,
    /// The path and the size of the entry that comes next.
    next: Option<(String, u64)>,
}

impl<R: Read> Reader<R> {
    pub(crate) fn open(from: R) -> Result<Self, ArchiveError> {
        let mut reader = Self { from, sums: Vec::new(), next: None };
        reader.advance()?;
        Ok(reader)
    }

    /// The path of the next entry.
    pub(crate) fn peek(&self) -> Option<&str> {
        self.next.as_ref().map(|(path, _)| path.as_str())
    }

    /// The next entry, which must be this file, in memory.
    pub(crate) fn file(&mut self, path: &str, most: usize) -> Result<Vec<u8>, ArchiveError> {
        let mut content = Vec::new();
        self.stream(path, most as u64, |file| {
            file.read_to_end(&mut content)?;
            Ok(())
        })?;
        Ok(content)
    }

    /// The next entry, which must be this file, bit by bit. All of it must be read.
    pub(crate) fn stream<T>(
        &mut self,
        path: &str,
        most: u64,
        read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> Result<T, ArchiveError> {
        let Some((found, size)) = self.next.take() else {
            return Err(form(format!("{path} is missing")));
        };
        if found != path {
            return Err(form(format!("{path} is missing, or {found} is too much")));
        }
        if size > most {
            return Err(form(format!("{path} has {size} bytes, more than {most}")));
        }
        let mut file = Hashing::new((&mut self.from).take(size));
        let out = read(&mut file)?;
        io::copy(&mut file, &mut io::sink())?;
        if file.bytes != size {
            return Err(ArchiveError::Truncated(path.to_owned()));
        }
        let digest = file.digest();
        self.sums.push((format!("{FOLDER}{path}"), digest));
        let mut filling = vec![0; padding(size)];
        self.exact(&mut filling, path)?;
        if filling.iter().any(|byte| *byte != 0) {
            return Err(form(format!("something is hidden after {path}")));
        }
        self.advance()?;
        Ok(out)
    }

    /// The file with all digests, and nothing after it.
    pub(crate) fn end(mut self) -> Result<(), ArchiveError> {
        let expected = sums(&self.sums);
        let found = self.file(SUMS, expected.len())?;
        if found != expected.as_bytes() {
            return Err(form(format!("{SUMS} names other digests")));
        }
        match self.next {
            None => Ok(()),
            Some((path, _)) => Err(form(format!("{path} is too much"))),
        }
    }

    fn advance(&mut self) -> Result<(), ArchiveError> {
        let mut block = [0; BLOCK];
        self.exact(&mut block, "its list of files")?;
        if block == [0; BLOCK] {
            self.exact(&mut block, "its end")?;
            if block != [0; BLOCK] || self.from.read(&mut [0])? != 0 {
                return Err(form("something comes after its end"));
            }
            self.next = None;
            return Ok(());
        }
        let (path, size) =
            read_header(&block).ok_or_else(|| form("this is not an evidence bundle"))?;
        let path = path.strip_prefix(FOLDER).filter(|path| is_plain(path));
        let path = path.ok_or_else(|| form("a file in it has another place than in a bundle"))?;
        self.next = Some((path.to_owned(), size));
        Ok(())
    }

    fn exact(&mut self, block: &mut [u8], what: &str) -> Result<(), ArchiveError> {
        self.from.read_exact(block).map_err(|error| {
            if error.kind() == io::ErrorKind::UnexpectedEof {
                ArchiveError::Truncated(what.to_owned())
            } else {
                ArchiveError::Io(error)
            }
        })
    }
}

/// Letters, digits and a few marks between single slashes, nothing that leads elsewhere.
fn is_plain(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~".contains(c);
    path.split('/')
        .all(|part| !part.is_empty() && !part.starts_with('.') && part.chars().all(plain))
}

fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK_U64).unwrap_or(0);
    if over == 0 { 0 } else { BLOCK - over }
}

/// The one header that a file has here: no owner, no time, mode 0644.
fn header(path: &str, size: u64) -> Option<[u8; BLOCK]> {
    if path.len() > MAX_PATH || size > MAX_SIZE || !path.is_ascii() {
        return None;
    }
    // A long path is split at its last slash.
    let (prefix, name) = if path.len() > 100 { path.rsplit_once('/')? } else { ("", path) };
    if name.len() > 100 || prefix.len() > 155 {
        return None;
    }
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| {
        for (to, from) in block.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000644\x000000000\x000000000\x00");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        0");
    put(257, b"ustar\x0000");
    put(345, prefix.as_bytes());
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    for (to, from) in block.iter_mut().skip(148).zip(sum.as_bytes()) {
        *to = *from;
    }
    Some(block)
}

/// Path and size of a header that [`header`] would have written.
fn read_header(block: &[u8; BLOCK]) -> Option<(String, u64)> {
    let text = |at: usize, length: usize| {
        let field = block.get(at..at + length)?;
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(length);
        std::str::from_utf8(field.get(..end)?).ok()
    };
    let (name, prefix) = (text(0, 100)?, text(345, 155)?);
    let size = u64::from_str_radix(text(124, 12)?, 8).ok()?;
    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
    (header(&path, size).as_ref() == Some(block)).then_some((path, size))
}

/// Hashes what passes through.
struct Hashing<R> {
    from: R,
    digest: sha2::Sha256,
    bytes: u64,
}

impl<R: Read> Hashing<R> {
    fn new(from: R) -> Self {
        Self { from, digest: sha2::Digest::new(), bytes: 0 }
    }

    fn digest(self) -> Digest {
        Digest(sha2::Digest::finalize(self.digest).into())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        sha2::Digest::update(&mut self.digest, buffer.get(..read).unwrap_or_default());
        self.bytes += read as u64;
        Ok(read)
    }
}
