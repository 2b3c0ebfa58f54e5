//! The standard claims that a user may say about themselves, field by field (OIDC Core §5.1): what each is
//! called, and what may stand in it.

use super::user::{Address, Profile};

/// Why a text cannot stand in a field. Fixed words: what was typed is shown beside them anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(pub &'static str);

/// What may stand in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// Printable text of at most so many characters.
    Text(usize),
    /// An https URL.
    Url,
    /// ISO 8601-1: a day, a year, or a day of no year.
    Birthdate,
    /// A name of the IANA time zone database.
    TimeZone,
    /// A BCP 47 language tag.
    Language,
    /// E.164.
    Phone,
}

/// Declares the fields: claim, words for people, the browser's word for it, rule, and where it is kept.
macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $variant:ident = ($claim:literal, $label:literal, $auto:literal, $rule:expr, $($path:ident).+)),+ $(,)?) => {
        /// A field of the profile.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProfileField {
            $($(#[doc = $doc])+ $variant),+
        }

        impl ProfileField {
            /// All fields, in the order in which people are asked.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name of the claim; members of `address` have a name of their own.
            pub fn claim(self) -> &'static str {
                match self { $(Self::$variant => $claim),+ }
            }

            /// What people call it.
            pub fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }

            /// What browsers know it as (HTML, autofill).
            pub fn autocomplete(self) -> &'static str {
                match self { $(Self::$variant => $auto),+ }
            }

            fn rule(self) -> Rule {
                match self { $(Self::$variant => $rule),+ }
            }

            fn place(self, whole: &mut Whole) -> &mut Option<String> {
                match self { $(Self::$variant => &mut whole.$($path).+),+ }
            }
        }
    };
}

/// A profile whose address is always there.
struct Whole {
    profile: Profile,
    address: Address,
}

fields! {
    /// `given_name`
    FirstName = ("given_name", "First name", "given-name", Rule::Text(100), profile.first_name),
    /// `middle_name`
    MiddleName = ("middle_name", "Middle name", "additional-name", Rule::Text(100), profile.middle_name),
    /// `family_name`
    LastName = ("family_name", "Last name", "family-name", Rule::Text(100), profile.last_name),
    /// `name`
    FullName = ("name", "Full name", "name", Rule::Text(200), profile.full_name),
    /// `nickname`
    Nickname = ("nickname", "Nickname", "nickname", Rule::Text(100), profile.nickname),
    /// `phone_number`
    Phone = ("phone_number", "Phone number", "tel", Rule::Phone, profile.phone_number),
    /// `birthdate`
    Birthdate = ("birthdate", "Date of birth", "bday", Rule::Birthdate, profile.birthdate),
    /// `gender`
    Gender = ("gender", "Gender", "sex", Rule::Text(50), profile.gender),
    /// `locale`
    Locale = ("locale", "Language", "language", Rule::Language, profile.locale),
    /// `zoneinfo`
    ZoneInfo = ("zoneinfo", "Time zone", "off", Rule::TimeZone, profile.zoneinfo),
    /// `website`
    Website = ("website", "Website", "url", Rule::Url, profile.website),
    /// `profile`
    ProfilePage = ("profile", "Page about you", "off", Rule::Url, profile.profile),
    /// `picture`
    Picture = ("picture", "Picture", "photo", Rule::Url, profile.picture),
    /// `address.street_address`
    Street = ("street_address", "Street and number", "street-address", Rule::Text(200), address.street_address),
    /// `address.postal_code`
    PostalCode = ("postal_code", "Postal code", "postal-code", Rule::Text(20), address.postal_code),
    /// `address.locality`
    City = ("locality", "City", "address-level2", Rule::Text(100), address.locality),
    /// `address.region`
    Region = ("region", "State or region", "address-level1", Rule::Text(100), address.region),
    /// `address.country`
    Country = ("country", "Country", "country-name", Rule::Text(100), address.country),
}

/// The claims that are known of somebody, with their names.
pub fn claims(profile: &Profile) -> impl Iterator<Item = (&'static str, String)> {
    let known = |field: &ProfileField| Some((field.claim(), field.of(profile)?));
    ProfileField::ALL.iter().filter_map(known)
}

impl ProfileField {
    /// The field of this claim.
    pub fn of_claim(claim: &str) -> Option<Self> {
        let mut fields = Self::ALL.iter().copied();
        fields.find(|field| field.claim() == claim)
    }

    /// How to write it, where that is not plain.
    pub fn hint(self) -> Option<&'static str> {
        match self.rule() {
            Rule::Text(_) => None,
            Rule::Url => Some("An address that begins with https://."),
            Rule::Birthdate => Some("Like 1987-05-31; or only the year, or 0000-05-31 without it."),
            Rule::TimeZone => Some("Like Europe/Berlin."),
            Rule::Language => Some("Like en, de-CH or pt-BR."),
            Rule::Phone => Some("With the country's code, like +41 44 668 18 00."),
        }
    }

    /// What stands in it.
    pub fn of(self, profile: &Profile) -> Option<String> {
        self.place(&mut Whole::of(profile.clone())).take()
    }

    /// Puts `value` into it. A phone number that is another is not verified any more.
    pub fn set(self, profile: &mut Profile, value: Option<String>) {
        let mut whole = Whole::of(std::mem::take(profile));
        let place = self.place(&mut whole);
        let is_other = *place != value;
        *place = value;
        if is_other && self == Self::Phone {
            whole.profile.phone_number_verified = false;
        }
        *profile = whole.into_profile();
    }

    /// What was typed, in the form in which it is kept. Nothing but space is nothing.
    pub fn parse(self, typed: &str) -> Result<Option<String>, Misfit> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Ok(None);
        }
        if typed.chars().any(char::is_control) {
            return Err(Misfit("This holds characters that cannot be shown."));
        }
        match self.rule() {
            Rule::Text(most) => text(typed, most),
            Rule::Url => url(typed),
            Rule::Birthdate => birthdate(typed),
            Rule::TimeZone => time_zone(typed),
            Rule::Language => language(typed),
            Rule::Phone => phone(typed),
        }
        .map(Some)
    }
}

impl Whole {
    fn of(mut profile: Profile) -> Self {
        Self {
            address: profile.address.take().unwrap_or_default(),
            profile,
        }
    }

    fn into_profile(self) -> Profile {
        Profile {
            address: (self.address != Address::default()).then_some(self.address),
            ..self.profile
        }
    }
}

fn text(typed: &str, most: usize) -> Result<String, Misfit> {
    if typed.chars().count() > most {
        return Err(Misfit("This is too long."));
    }
    Ok(typed.to_owned())
}

/// URLs are shown to others as links and images: https alone (security.md 154).
pub fn url(typed: &str) -> Result<String, Misfit> {
    const MOST: usize = 2_000;
    let misfit = Misfit("This is not an address that begins with https://.");
    let url = url::Url::parse(typed).map_err(|_| misfit)?;
    let is_fit = url.scheme() == "https"
        && url.host().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && typed.len() <= MOST;
    if is_fit { Ok(url.into()) } else { Err(misfit) }
}

fn birthdate(typed: &str) -> Result<String, Misfit> {
    let misfit = Misfit("This is not a date like 1987-05-31.");
    let number = |text: &str| text.parse::<i32>().map_err(|_| misfit);
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = typed.split('-').collect();
    match parts.as_slice() {
        [year] if year.len() == 4 && is_digits(year) && *year != "0000" => {}
        [year, month, day]
            if (year.len(), month.len(), day.len()) == (4, 2, 2)
                && parts.iter().all(|it| is_digits(it)) =>
        {
            // The 29th of February of no year is a birthday too: 0000 is a leap year.
            let month = u8::try_from(number(month)?).ok();
            let month = month.and_then(|month| time::Month::try_from(month).ok());
            let day = u8::try_from(number(day)?).map_err(|_| misfit)?;
            time::Date::from_calendar_date(number(year)?, month.ok_or(misfit)?, day)
                .map_err(|_| misfit)?;
        }
        _ => return Err(misfit),
    }
    Ok(typed.to_owned())
}

/// The form of the names, not the list of them, which grows faster than servers are updated.
fn time_zone(typed: &str) -> Result<String, Misfit> {
    const MOST: usize = 64;
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_uppercase())
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+'))
    };
    let parts = typed.split('/').count();
    let is_fit = typed.len() <= MOST
        && typed.split('/').all(is_part)
        && (matches!(parts, 2 | 3) || matches!(typed, "UTC" | "GMT"));
    if is_fit {
        Ok(typed.to_owned())
    } else {
        Err(Misfit(
            "This is not the name of a time zone like Europe/Berlin.",
        ))
    }
}

/// RFC 5646 §2.1, the form of a tag. Some write an underscore (OIDC Core §5.1).
fn language(typed: &str) -> Result<String, Misfit> {
    const MOST: usize = 35;
    let tag = typed.replace('_', "-");
    let mut subtags = tag.split('-');
    let is_language = |subtag: &str| {
        matches!(subtag.len(), 2..=8) && subtag.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    let is_subtag = |subtag: &str| {
        matches!(subtag.len(), 1..=8) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    if tag.len() <= MOST && subtags.next().is_some_and(is_language) && subtags.all(is_subtag) {
        Ok(tag)
    } else {
        Err(Misfit("This is not a language like en or de-CH."))
    }
}

/// E.164: a plus sign and at most fifteen digits. What people put between them is left out.
fn phone(typed: &str) -> Result<String, Misfit> {
    let number: String = typed
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/'))
        .collect();
    let is_fit = number.strip_prefix('+').is_some_and(|digits| {
        matches!(digits.len(), 7..=15)
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    if is_fit {
        Ok(number)
    } else {
        Err(Misfit(
            "This is not a phone number with its country's code, like +41 44 668 18 00.",
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_fit_is_kept_in_one_form() {
        for (field, typed, kept) in [
            (ProfileField::FirstName, "  Zoë ", "Zoë"),
            (ProfileField::Phone, "+41 (44) 668-18 00", "+41446681800"),
            (ProfileField::Birthdate, "1988-02-29", "1988-02-29"),
            (ProfileField::Birthdate, "0000-02-29", "0000-02-29"),
            (ProfileField::Birthdate, "1987", "1987"),
            (ProfileField::Locale, "de_CH", "de-CH"),
            (ProfileField::Locale, "zh-Hant-TW", "zh-Hant-TW"),
            (
                ProfileField::ZoneInfo,
                "America/Argentina/Buenos_Aires",
                "America/Argentina/Buenos_Aires",
            ),
            (ProfileField::ZoneInfo, "Etc/GMT+3", "Etc/GMT+3"),
            (
                ProfileField::Website,
                "https://example.com",
                "https://example.com/",
            ),
        ] {
            assert_eq!(field.parse(typed), Ok(Some(kept.to_owned())), "{typed}");
        }
        for field in ProfileField::ALL {
            assert_eq!(field.parse(" \t "), Ok(None), "{field:?}");
        }
    }

    #[test]
    fn what_is_not_fit_is_refused() {
        for (field, typed) in [
            (ProfileField::FirstName, "a\u{7}b"),
            (ProfileField::Phone, "044 668 18 00"),
            (ProfileField::Phone, "+0441234567"),
            (ProfileField::Phone, "+4144668180012345"),
            (ProfileField::Birthdate, "1987-02-29"),
            (ProfileField::Birthdate, "31.5.1987"),
            (ProfileField::Birthdate, "1987-5-31"),
            (ProfileField::Birthdate, "0000"),
            (ProfileField::Birthdate, "+987-05-31"),
            (ProfileField::Locale, "english!"),
            (ProfileField::Locale, "e"),
            (ProfileField::ZoneInfo, "Berlin"),
            (ProfileField::ZoneInfo, "Europe/../../etc/passwd"),
            (ProfileField::Website, "http://example.com"),
            (ProfileField::Picture, "javascript:alert(1)"),
            (ProfileField::ProfilePage, "https://user:secret@example.com"),
        ] {
            assert!(field.parse(typed).is_err(), "{typed}");
        }
        let long = "x".repeat(2_100);
        for field in ProfileField::ALL {
            assert!(field.parse(&long).is_err(), "{field:?}");
        }
    }

    #[test]
    fn every_field_is_read_where_it_was_written_and_an_empty_address_is_none() {
        let mut profile = Profile::default();
        for field in ProfileField::ALL {
            field.set(&mut profile, Some(field.claim().to_owned()));
        }
        for field in ProfileField::ALL {
            assert_eq!(field.of(&profile).as_deref(), Some(field.claim()));
        }
        for field in ProfileField::ALL {
            field.set(&mut profile, None);
        }
        assert_eq!(profile, Profile::default());
    }

    #[test]
    fn another_phone_number_has_to_be_verified_again() {
        let mut profile = Profile {
            phone_number: Some("+41446681800".to_owned()),
            phone_number_verified: true,
            ..Profile::default()
        };
        ProfileField::Phone.set(&mut profile, Some("+41446681800".to_owned()));
        assert!(profile.phone_number_verified);
        ProfileField::Phone.set(&mut profile, Some("+41446681801".to_owned()));
        assert!(!profile.phone_number_verified);
    }
}
