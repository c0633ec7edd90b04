//! What a sealed secret is for. It is sealed in with the secret, and compared when it is opened.

/// The most namespaces that one secret may go to.
pub const MAX_NAMESPACES: usize = 1_000;

/// What a payload is bound to.
///
/// The namespaces are a set: their order and repetitions make no difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretContext {
    /// The fleet's id: the digest of its first trust root.
    pub fleet: [u8; 32],
    /// The secret's name.
    pub name: String,
    /// Where it is written.
    pub namespaces: Vec<String>,
    /// The Kubernetes type: `Opaque`, `kubernetes.io/tls` …
    pub secret_type: String,
    /// Counts up with every new value.
    pub version: u64,
}

/// A field of a [`SecretContext`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextField {
    /// [`SecretContext::fleet`]
    Fleet,
    /// [`SecretContext::name`]
    Name,
    /// [`SecretContext::namespaces`]
    Namespaces,
    /// [`SecretContext::secret_type`]
    Type,
    /// [`SecretContext::version`]
    Version,
}

impl std::fmt::Display for ContextField {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fleet => "fleet",
            Self::Name => "name",
            Self::Namespaces => "namespaces",
            Self::Type => "type",
            Self::Version => "version",
        })
    }
}

/// A context that nothing can be sealed to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret's {field} {problem}")]
pub struct InvalidContext {
    /// The field that cannot be written.
    pub field: ContextField,
    /// What it must be instead.
    pub problem: &'static str,
}

impl SecretContext {
    /// Whether the encoding can hold it. Which names Kubernetes accepts is decided elsewhere.
    pub(crate) fn check(&self) -> Result<(), InvalidContext> {
        let fail = |field, problem| Err(InvalidContext { field, problem });
        if !is_word(&self.name, 253) {
            return fail(ContextField::Name, "must be 1 to 253 visible ASCII characters");
        }
        if !is_word(&self.secret_type, 253) {
            return fail(ContextField::Type, "must be 1 to 253 visible ASCII characters");
        }
        if self.namespaces.len() > MAX_NAMESPACES {
            return fail(ContextField::Namespaces, "are more than 1,000");
        }
        if !self.namespaces.iter().all(|namespace| is_word(namespace, 63)) {
            return fail(ContextField::Namespaces, "must be 1 to 63 visible ASCII characters each");
        }
        Ok(())
    }

    /// The namespaces as they are written: sorted, each once.
    pub(crate) fn sorted_namespaces(&self) -> Vec<&str> {
        let mut namespaces: Vec<&str> = self.namespaces.iter().map(String::as_str).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        namespaces
    }

    /// The first field in which the two differ.
    pub(crate) fn difference(&self, other: &Self) -> Option<ContextField> {
        let fields = [
            (ContextField::Fleet, self.fleet != other.fleet),
            (ContextField::Name, self.name != other.name),
            (ContextField::Namespaces, self.sorted_namespaces() != other.sorted_namespaces()),
            (ContextField::Type, self.secret_type != other.secret_type),
            (ContextField::Version, self.version != other.version),
        ];
        fields.into_iter().find_map(|(field, differs)| differs.then_some(field))
    }
}

fn is_word(text: &str, limit: usize) -> bool {
    (1..=limit).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
