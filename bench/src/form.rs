//! Forms: what the generator sends, and as much of a login page as it needs to read.

/// Form-encodes fields.
pub(crate) fn encode(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

/// The first form of a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// Where it goes.
    pub(crate) action: String,
    /// Hidden fields with their values.
    pub(crate) hidden: Vec<(String, String)>,
}

impl Form {
    /// Reads it. `None` where the page has no form.
    pub(crate) fn parse(page: &str) -> Option<Self> {
        let (_, rest) = page.split_once("<form")?;
        let (form, _) = rest.split_once("</form>").unwrap_or((rest, ""));
        let (tag, _) = form.split_once('>')?;
        let hidden = form.split("<input").skip(1).filter_map(|rest| {
            let (tag, _) = rest.split_once('>')?;
            (attribute(tag, "type")? == "hidden").then_some(())?;
            Some((
                attribute(tag, "name")?,
                attribute(tag, "value").unwrap_or_default(),
            ))
        });
        Some(Self {
            action: attribute(tag, "action").unwrap_or_default(),
            hidden: hidden.collect(),
        })
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = rest.split_once('"')?;
    let value = value
        .replace("&#x2F;", "/")
        .replace("&#x3D;", "=")
        .replace("&quot;", "\"")
        .replace("&#38;", "&");
    Some(value.replace("&amp;", "&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_its_action_and_hidden_fields() {
        let page = r#"<p><form method="post" action="/login?a=1&amp;b=2">
            <input type="hidden" name="csrf" value="x&quot;y"><input type="text" name="user">
            <input name="later" type="hidden" value=""/></form><form action="/other">"#;
        let hidden = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let form = Form {
            action: "/login?a=1&b=2".to_owned(),
            hidden: vec![hidden("csrf", "x\"y"), hidden("later", "")],
        };
        assert_eq!(Form::parse(page), Some(form));
        assert_eq!(Form::parse("<p>no form"), None);
    }
}
