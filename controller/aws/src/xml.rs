//! Answers in XML: element names are the program's, text is anybody's and escaped.

use std::fmt::Display;

use quick_xml::{
    Writer,
    events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event},
};

use crate::Service;

/// XML being written.
pub struct Xml {
    writer: Writer<Vec<u8>>,
    item: &'static str,
}

impl Xml {
    /// A part of an answer of the service.
    pub fn part(service: Service) -> Self {
        Self {
            writer: Writer::new(Vec::new()),
            item: service.item(),
        }
    }

    /// A whole document of the service.
    pub fn document(service: Service) -> Self {
        let mut xml = Self::part(service);
        xml.write(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)));
        xml
    }

    /// The bytes written.
    pub fn finish(self) -> Vec<u8> {
        self.writer.into_inner()
    }

    fn write(&mut self, event: Event<'_>) {
        let written = self.writer.write_event(event);
        written.expect("a Vec takes whatever is written to it");
    }

    /// An element around others.
    pub fn nest(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        self.write(Event::Start(BytesStart::new(name)));
        inside(self);
        self.write(Event::End(BytesEnd::new(name)));
    }

    /// The outermost element.
    pub fn root(&mut self, name: &str, namespace: &str, inside: impl FnOnce(&mut Self)) {
        let start = BytesStart::new(name).with_attributes([("xmlns", namespace)]);
        self.write(Event::Start(start));
        inside(self);
        self.write(Event::End(BytesEnd::new(name)));
    }

    /// An element of text.
    pub fn text(&mut self, name: &str, text: impl Display) {
        self.write(Event::Start(BytesStart::new(name)));
        self.write(Event::Text(BytesText::new(&text.to_string())));
        self.write(Event::End(BytesEnd::new(name)));
    }

    /// An element of text, where there is one.
    pub fn maybe(&mut self, name: &str, text: Option<impl Display>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A list, present even where it is empty.
    pub fn list<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Self, T),
    ) {
        let tag = self.item;
        self.nest(name, |xml| {
            for value in items {
                xml.nest(tag, |xml| item(xml, value));
            }
        });
    }

    /// A list of texts.
    pub fn texts<T: Display>(&mut self, name: &str, items: impl IntoIterator<Item = T>) {
        let tag = self.item;
        self.nest(name, |xml| {
            for value in items {
                xml.text(tag, value);
            }
        });
    }

    /// What `part` wrote, as it is.
    pub fn append(&mut self, part: &[u8]) {
        self.writer.get_mut().extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_would_break_the_document_is_escaped_and_empty_lists_are_present() {
        let mut xml = Xml::part(Service::Ec2);
        xml.text("name", "</name><evil a='1'>&\"");
        xml.list("tagSet", Vec::<u8>::new(), |_, _| {});
        let text = String::from_utf8(xml.finish()).unwrap();
        assert!(!text.contains("<evil"), "{text}");
        assert!(text.ends_with("<tagSet></tagSet>"), "{text}");
    }
}
