//! Records for the tests, with every property set to something.

use countersign::domain::{
    id::UserId,
    time::Timestamp,
    user::{Address, Email, Profile, User, UserStatus, Username},
};

pub(super) const NOW: Timestamp = Timestamp(1_800_000_000);

pub(super) fn user(name: &str) -> User {
    User {
        id: UserId::new(format!("id-of-{name}")),
        username: Username::parse(name).unwrap(),
        email: Some(Email::parse(&format!("{name}@example.com")).unwrap()),
        email_verified: true,
        profile: profile(),
        status: UserStatus::Active,
        not_before: Timestamp(11),
        created_at: Timestamp(12),
        updated_at: Timestamp(13),
    }
}

fn profile() -> Profile {
    let text = |value: &str| Some(value.to_owned());
    Profile {
        first_name: text("Grace"),
        last_name: text("Hopper"),
        full_name: text("Grace Brewster Hopper"),
        middle_name: text("Brewster"),
        nickname: text("Amazing Grace"),
        profile: text("https://example.com/grace"),
        picture: text("https://example.com/grace.png"),
        website: text("https://grace.example"),
        gender: text("female"),
        birthdate: text("1906-12-09"),
        zoneinfo: text("America/New_York"),
        locale: text("en-US"),
        phone_number: text("+15555550100"),
        phone_number_verified: true,
        address: Some(Address {
            formatted: text("1 Main St\nArlington"),
            street_address: text("1 Main St"),
            locality: text("Arlington"),
            region: text("VA"),
            postal_code: text("22201"),
            country: text("US"),
        }),
    }
}
