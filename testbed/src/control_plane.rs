//! The files and the command lines of a cluster's API server and controller manager.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, Result};
use crate::etcd::EtcdAccess;
use crate::kubeconfig;
use crate::pki::{self, Authority, Pair, Purpose};
use crate::service::Service;

/// The authority that both the API server and its clients are certified by.
const AUTHORITY: &str = "ca";

/// The admin of a testbed's cluster, in the audit log too.
pub const ADMIN: &str = "testbed-admin";

/// Everything but what asks whether the server is well; each request once, when it is answered.
const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  nonResourceURLs: [/healthz*, /livez*, /readyz*]
- level: Metadata
";

/// What a cluster without nodes needs to behave as a cluster: namespaces fill and empty, owners
/// take what they own with them, quotas count, aggregated roles aggregate, approved certificates are
/// signed.
const CONTROLLERS: &[&str] = &[
    "certificatesigningrequest-signing-controller",
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "validatingadmissionpolicy-status-controller",
];

/// Where the things of one cluster are.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) port: u16,
}

impl Layout {
    pub(crate) fn new(root: &Path, name: &str, port: u16) -> Self {
        let kubeconfig = root.join(format!("{name}.kubeconfig"));
        Self { name: name.into(), dir: root.join(name), kubeconfig, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.dir.join("audit.log")
    }

    fn pki(&self) -> PathBuf {
        self.dir.join("pki")
    }

    /// A kubeconfig for a user of the given name and group, who has a certificate and nothing else.
    pub(crate) fn kubeconfig_for(&self, user: &str, group: Option<&str>) -> Result<String> {
        let authority = Authority::open(&self.pki(), AUTHORITY)?;
        let (cert, key) = authority.issue_pem(user, &Purpose::Client(group))?;
        kubeconfig::render(&self.name, &self.url(), authority.cert(), &cert, &key)
    }
}

/// Writes what the API server and the controller manager read, and the admin's kubeconfig.
pub(crate) fn prepare(
    kube: &Path,
    layout: &Layout,
    etcd: &EtcdAccess,
) -> Result<(Service, Service)> {
    let pki = layout.pki();
    let authority = Authority::create(&pki, AUTHORITY)?;
    let names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
    let serving = authority.issue("apiserver", "kube-apiserver", &Purpose::Serve(&names))?;
    let front = Authority::create(&pki, "front-proxy-ca")?;
    let proxy = front.issue("front-proxy", "front-proxy-client", &Purpose::Client(None))?;
    let tokens = pki::create_signing_key(&pki, "service-accounts")?;

    let _ = fs::remove_file(layout.audit_log());
    let policy = layout.dir.join("audit-policy.yaml");
    fs::write(&policy, AUDIT_POLICY).path("write", &policy)?;
    let admin = layout.kubeconfig_for(ADMIN, Some("system:masters"))?;
    pki::write_secret(&layout.kubeconfig, &admin)?;
    let manager = layout.dir.join("controller-manager.kubeconfig");
    let text = layout.kubeconfig_for("system:kube-controller-manager", None)?;
    pki::write_secret(&manager, &text)?;

    let ca = authority.cert();
    let mut server = vec![kube.display().to_string(), "kube-apiserver".into()];
    server.extend(network(layout, etcd, ca, &serving));
    server.extend(identities(&front, &proxy, &tokens));
    server.extend(audit(&policy, &layout.audit_log()));
    let server = Service::new("kube-apiserver", server, layout.dir.join("apiserver.log"));

    let manager = controller_manager(kube, &manager, &authority, &tokens.key);
    let log = layout.dir.join("controller-manager.log");
    Ok((server, Service::new("kube-controller-manager", manager, log)))
}

fn network(layout: &Layout, etcd: &EtcdAccess, ca: &Path, serving: &Pair) -> Vec<String> {
    vec![
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        format!("--secure-port={}", layout.port),
        // A loopback address is no endpoint for pods; there are none.
        "--endpoint-reconciler-type=none".into(),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        format!("--client-ca-file={}", ca.display()),
        format!("--tls-cert-file={}", serving.cert.display()),
        format!("--tls-private-key-file={}", serving.key.display()),
        format!("--etcd-servers={}", etcd.url),
        format!("--etcd-prefix=/{}", layout.name),
        format!("--etcd-cafile={}", etcd.ca.display()),
        format!("--etcd-certfile={}", etcd.client.cert.display()),
        format!("--etcd-keyfile={}", etcd.client.key.display()),
        "--event-ttl=10m".into(),
        // As every installer has it: Pod Security decides who may.
        "--allow-privileged=true".into(),
    ]
}

fn identities(front: &Authority, proxy: &Pair, tokens: &Pair) -> Vec<String> {
    vec![
        "--authorization-mode=Node,RBAC".into(),
        "--anonymous-auth=false".into(),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        format!("--service-account-key-file={}", tokens.cert.display()),
        format!("--service-account-signing-key-file={}", tokens.key.display()),
        format!("--requestheader-client-ca-file={}", front.cert().display()),
        "--requestheader-allowed-names=front-proxy-client".into(),
        "--requestheader-username-headers=X-Remote-User".into(),
        "--requestheader-group-headers=X-Remote-Group".into(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".into(),
        format!("--proxy-client-cert-file={}", proxy.cert.display()),
        format!("--proxy-client-key-file={}", proxy.key.display()),
    ]
}

fn audit(policy: &Path, log: &Path) -> Vec<String> {
    vec![
        format!("--audit-policy-file={}", policy.display()),
        format!("--audit-log-path={}", log.display()),
        // Written before the request is answered, so that whoever got an answer finds it there.
        "--audit-log-mode=blocking".into(),
        // In megabytes: the log is read as one file, so it is not rotated.
        "--audit-log-maxsize=100000".into(),
    ]
}

fn controller_manager(
    kube: &Path,
    kubeconfig: &Path,
    ca: &Authority,
    tokens: &Path,
) -> Vec<String> {
    vec![
        kube.display().to_string(),
        "kube-controller-manager".into(),
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--controllers={}", CONTROLLERS.join(",")),
        "--leader-elect=false".into(),
        "--use-service-account-credentials=true".into(),
        format!("--root-ca-file={}", ca.cert().display()),
        format!("--cluster-signing-cert-file={}", ca.cert().display()),
        format!("--cluster-signing-key-file={}", ca.key().display()),
        format!("--service-account-private-key-file={}", tokens.display()),
        "--kube-api-qps=200".into(),
        "--kube-api-burst=400".into(),
        "--secure-port=0".into(),
    ]
}
