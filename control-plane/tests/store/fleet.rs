//! The fleet's own row, and its users.

use bytes::Bytes;
use hanse_control_plane::store::{FleetRow, Role, StoreError, UserRow};
use hanse_domain::ids::Digest;

use crate::make::at;
use crate::place::Place;

pub(crate) async fn is_made_once(place: Place) {
    let store = place.open().await;
    assert_eq!(store.fleet().await.unwrap(), None);
    let fleet = FleetRow {
        id: Digest::of(b"root"),
        trust_domain: "fleet.example".into(),
        trust_root: Bytes::from_static(b"root\0with any bytes\xff"),
        created_at: at(0),
    };
    store.initialise(&fleet).await.unwrap();
    let again = store.initialise(&FleetRow { id: Digest::of(b"other"), ..fleet.clone() }).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
    assert_eq!(store.fleet().await.unwrap(), Some(fleet));
}

pub(crate) async fn users_come_and_go(place: Place) {
    let store = place.open().await;
    let user = |name: &str, role| UserRow {
        name: name.into(),
        role,
        fingerprint: Digest::of(name.as_bytes()),
        created_at: at(0),
        revoked_at: None,
    };
    let ada = user("ada", Role::Administrator);
    for user in [&user("zoe", Role::Viewer), &ada, &user("Bob", Role::Viewer)] {
        store.put_user(user).await.unwrap();
    }
    assert_eq!(store.user("ada").await.unwrap(), Some(ada.clone()));
    assert_eq!(store.user("ADA").await.unwrap(), None);

    let revoked = UserRow { revoked_at: Some(at(9)), role: Role::Viewer, ..ada };
    store.put_user(&revoked).await.unwrap();
    assert_eq!(store.user("ada").await.unwrap(), Some(revoked));
    let names = |users: Vec<UserRow>| users.into_iter().map(|u| u.name).collect::<Vec<_>>();
    assert_eq!(names(store.users("", 2).await.unwrap()), ["Bob", "ada"]);
    assert_eq!(names(store.users("ada", 2).await.unwrap()), ["zoe"]);
}
