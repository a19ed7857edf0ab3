//! Listings: `Describe...` of a kind of resource.

use weft_model::{Cloud, Meta, RegionName};

use crate::{
    Args, Ask, Fault, Xml, fault,
    filter::{Filter, Wanted},
    ids::AwsId,
    page::Page,
};

/// Resources of a region, in the order of their keys.
type Resources<'a, T> = Box<dyn Iterator<Item = &'a T> + 'a>;

/// What a kind of resource has to say, so that its listing can be written once.
pub struct Listing<T: 'static, K: 'static> {
    /// The parameter that names single ones.
    pub ids: &'static str,
    /// The element around them.
    pub set: &'static str,
    /// What names one.
    pub key: fn(&T) -> K,
    /// Its bookkeeping.
    pub meta: fn(&T) -> &Meta,
    /// Those of a region, in the order of their keys.
    pub all: for<'a> fn(&'a Cloud, &'a RegionName) -> Resources<'a, T>,
    /// One of a region.
    pub one: for<'a> fn(&'a Cloud, &RegionName, K) -> Option<&'a T>,
    /// Its filters, beside those of tags.
    pub filters: &'static [Filter<T>],
    /// Writes one.
    pub show: fn(&Ask, &Cloud, &T, &mut Xml),
}

impl<T, K: AwsId> Listing<T, K> {
    /// Answers a listing: those that are named, or all; of these those that the filters leave; of
    /// these a page.
    ///
    /// # Errors
    /// When one that is named doesn't exist, or a filter, a page or a token can't be.
    pub fn run(&'static self, ask: &Ask, cloud: &Cloud, xml: &mut Xml) -> Result<(), Fault> {
        let args = ask.args();
        let wanted = Wanted::read(args, self.filters)?;
        let page = Page::read(args, &self.scope(ask))?;
        let after = page.after.as_deref().and_then(|key| key.parse::<K>().ok());
        let fits = |resource: &&T| {
            let past = after.is_none_or(|after| (self.key)(resource) > after);
            past && wanted.fits(cloud, resource, (self.meta)(resource))
        };
        let named = self.named(ask, args, cloud)?;
        let mut found = match named {
            Some(named) => Box::new(named.into_iter()) as Resources<'_, T>,
            None => (self.all)(cloud, &ask.region),
        }
        .filter(fits)
        .peekable();
        let mut last = None;
        xml.list(self.set, found.by_ref().take(page.size), |xml, resource| {
            last = Some((self.key)(resource));
            (self.show)(ask, cloud, resource, xml);
        });
        if let (Some(last), Some(_)) = (last, found.peek()) {
            xml.text("nextToken", page.token(&last.to_string()));
        }
        Ok(())
    }

    /// Those that the request names, in the order of their keys.
    fn named<'a>(
        &self,
        ask: &'a Ask,
        args: Args<'_>,
        cloud: &'a Cloud,
    ) -> Result<Option<Vec<&'a T>>, Fault> {
        let mut ids = args.ids::<K>(self.ids)?;
        if ids.is_empty() {
            return Ok(None);
        }
        ids.sort();
        ids.dedup();
        let one = |id: K| {
            let found = (self.one)(cloud, &ask.region, id);
            found.ok_or_else(|| fault::not_found(&id.into()))
        };
        ids.into_iter().map(one).collect::<Result<_, _>>().map(Some)
    }

    /// What a page's token holds for.
    fn scope(&self, ask: &Ask) -> String {
        let mut rest = ask.params.clone();
        rest.remove("NextToken");
        rest.remove("MaxResults");
        format!("{}/{}/{rest:?}", self.set, ask.region)
    }
}

/// Writes a resource's tags.
pub fn tag_set(xml: &mut Xml, meta: &Meta) {
    xml.list("tagSet", meta.all_tags(), |xml, (key, value)| {
        xml.text("key", key);
        xml.text("value", value);
    });
}
