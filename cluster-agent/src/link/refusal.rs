//! Telling "no" from "not now".

use std::error::Error;
use std::io;

use rustls::AlertDescription;
use tonic::{Code, Status};

/// Whether only a person can lift it: the hub knows this identity and does not want it.
pub(super) fn is_refusal(status: &Status) -> bool {
    // Aborted: another stream with this identity took over; taking it back at once would only go on
    // like that.
    matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied | Code::Aborted)
        || Error::source(status).is_some_and(is_refused_by_tls)
}

/// Whether TLS ended since the other side does not take the certificate.
pub(super) fn is_refused_by_tls(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let tls = error.downcast_ref::<rustls::Error>().or_else(|| {
            // An io::Error skips the error that it wraps when asked for its source.
            error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<rustls::Error>()
        });
        if let Some(rustls::Error::AlertReceived(alert)) = tls {
            return matches!(
                alert,
                AlertDescription::BadCertificate
                    | AlertDescription::UnsupportedCertificate
                    | AlertDescription::CertificateRevoked
                    | AlertDescription::CertificateExpired
                    | AlertDescription::CertificateUnknown
                    | AlertDescription::UnknownCA
                    | AlertDescription::AccessDenied
                    | AlertDescription::CertificateRequired
            );
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_found_inside_of_an_io_error() {
        let alert = |description| {
            let tls = rustls::Error::AlertReceived(description);
            io::Error::new(io::ErrorKind::InvalidData, tls)
        };
        assert!(is_refused_by_tls(&alert(AlertDescription::CertificateRevoked)));
        assert!(!is_refused_by_tls(&alert(AlertDescription::InternalError)));
        assert!(!is_refused_by_tls(&io::Error::from(io::ErrorKind::ConnectionReset)));
        assert!(is_refusal(&Status::permission_denied("revoked")));
        assert!(is_refusal(&Status::aborted("superseded")));
        assert!(!is_refusal(&Status::unavailable("later")));
    }
}
