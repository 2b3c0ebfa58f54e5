//! Our pages as a browser reads them: elements by their ids, and forms.

/// An HTML page.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// Where it is.
    pub(crate) url: String,
    pub(crate) html: String,
}

/// A form of a page.
pub(crate) struct Form {
    pub(crate) method: String,
    pub(crate) action: String,
    /// Its hidden fields.
    pub(crate) fields: Vec<(String, String)>,
}

impl Page {
    /// Whether there is an element with this id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.html.contains(&format!("id=\"{id}\""))
    }

    /// The form that holds an element with this id.
    pub(crate) fn form_of(&self, id: &str) -> Form {
        let marked = format!("id=\"{id}\"");
        let holds = |form: &&str| form.contains(&marked);
        let forms = self.html.split("<form ").skip(1);
        let mut forms = forms.map(|rest| rest.split("</form>").next().unwrap());
        let form = forms
            .find(holds)
            .unwrap_or_else(|| panic!("no form with {id}: {self:?}"));
        let tag = form.split('>').next().unwrap();
        let hidden = tags(form, "input").filter(|tag| attribute(tag, "type").unwrap() == "hidden");
        Form {
            method: attribute(tag, "method").unwrap(),
            action: attribute(tag, "action").unwrap(),
            fields: hidden
                .map(|tag| {
                    (
                        attribute(tag, "name").unwrap(),
                        attribute(tag, "value").unwrap(),
                    )
                })
                .collect(),
        }
    }

    /// An attribute of every element of this kind that has it.
    pub(crate) fn attributes(&self, element: &str, name: &str) -> Vec<String> {
        tags(&self.html, element)
            .filter_map(|tag| attribute(tag, name))
            .collect()
    }

    /// The page is an error that the browser shows: it goes nowhere.
    pub(crate) fn assert_error(&self) {
        assert!((400..500).contains(&self.status), "{self:?}");
        assert!(self.has("error"), "{self:?}");
    }
}

/// What stands between `<element ` and `>`.
fn tags<'a>(html: &'a str, element: &str) -> impl Iterator<Item = &'a str> {
    let opening = format!("<{element} ");
    let starts: Vec<usize> = html
        .match_indices(&opening)
        .map(|(at, found)| at + found.len())
        .collect();
    starts
        .into_iter()
        .map(|start| html[start..].split('>').next().unwrap())
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let opening = format!("{name}=\"");
    let mut from = 0;
    loop {
        let at = from + tag[from..].find(&opening)?;
        if at == 0 || tag[..at].ends_with([' ', '\n']) {
            let value = tag[at + opening.len()..].split('"').next()?;
            return Some(unescaped(value));
        }
        from = at + opening.len();
    }
}

/// Without the references of HTML that our templates write.
fn unescaped(text: &str) -> String {
    let mut text = text.to_owned();
    for (reference, character) in [
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#38;", "&"),
    ] {
        text = text.replace(reference, character);
    }
    for (reference, character) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&amp;", "&"),
    ] {
        text = text.replace(reference, character);
    }
    text
}
