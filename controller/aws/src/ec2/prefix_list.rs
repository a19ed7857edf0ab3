//! Prefix lists that their owner manages.

use weft_model::{
    Cloud, Family, Label, Prefix, PrefixList, PrefixListEntry, PrefixListId,
    ops::prefix_list::{self, Draft, Update},
};

use super::security_group::described;
use crate::{
    Action, Answer, Args, Ask, Fault, Listing, Stage, Xml, fault,
    filter::{Filter, filter},
    listing::tag_set,
    page::Page,
    shape::{
        CLIENT_TOKEN, FILTERS, MAX_RESULTS, NEXT_TOKEN, Shape, TAGS, int, lacks, list, only, text,
        texts,
    },
};

const ENTRY: Shape = Shape::Struct(&[text("Cidr"), text("Description")]);
const GONE: Shape = Shape::Struct(&[text("Cidr")]);

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::write(
        "CreateManagedPrefixList",
        &[
            text("PrefixListName").required(),
            int("MaxEntries").required(),
            text("AddressFamily").required(),
            list("Entry", &ENTRY),
            CLIENT_TOKEN,
            TAGS,
        ],
        create,
    ),
    Action::write(
        "ModifyManagedPrefixList",
        &[
            text("PrefixListId").required(),
            int("CurrentVersion"),
            text("PrefixListName"),
            int("MaxEntries"),
            list("AddEntry", &ENTRY),
            list("RemoveEntry", &GONE),
            only("IpamPrefixListResolverSyncEnabled", &["false"]),
        ],
        modify,
    ),
    Action::write(
        "DeleteManagedPrefixList",
        &[text("PrefixListId").required()],
        delete,
    ),
    Action::read(
        "DescribeManagedPrefixLists",
        &[texts("PrefixListId"), FILTERS, MAX_RESULTS, NEXT_TOKEN],
        |ask, cloud, xml| LISTING.run(ask, cloud, xml),
    ),
    Action::read(
        "GetManagedPrefixListEntries",
        &[
            text("PrefixListId").required(),
            lacks("TargetVersion"),
            MAX_RESULTS,
            NEXT_TOKEN,
        ],
        entries,
    ),
    Action::refused(
        "RestoreManagedPrefixListVersion",
        "older versions aren't kept",
    ),
];

static LISTING: Listing<PrefixList, PrefixListId> = Listing {
    ids: "PrefixListId",
    set: "prefixListSet",
    key: |list| list.id,
    meta: |list| &list.meta,
    all: |cloud, region| Box::new(cloud.prefix_lists_in_region(region)),
    one: |cloud, region, id| cloud.prefix_list(id).filter(|list| list.region == *region),
    filters: FILTERED,
    show: |ask, _, list, xml| fields(ask, list, "create-complete", xml),
};

const FILTERED: &[Filter<PrefixList>] = &[
    filter("prefix-list-id", |_, l, is| is(&l.id.to_string())),
    filter("prefix-list-name", |_, l, is| is(&name(l))),
];

/// What AWS calls its name; of one that Weft's own API made, the name there.
fn name(list: &PrefixList) -> String {
    let meta = &list.meta;
    let name = meta.description.as_ref().or(meta.name.as_ref());
    name.map_or_else(|| list.id.to_string(), ToString::to_string)
}

fn fields(ask: &Ask, list: &PrefixList, state: &str, xml: &mut Xml) {
    let (region, account) = (&ask.region, &ask.account);
    xml.text("prefixListId", list.id);
    let family = match list.family {
        Family::Ipv4 => "IPv4",
        Family::Ipv6 => "IPv6",
    };
    xml.text("addressFamily", family);
    xml.text("state", state);
    let arn = format!("arn:aws:ec2:{region}:{account}:prefix-list/{}", list.id);
    xml.text("prefixListArn", arn);
    xml.text("prefixListName", name(list));
    xml.text("maxEntries", list.max_entries);
    // Every change has a revision of its own, greater than the ones before.
    xml.text("version", list.meta.updated);
    tag_set(xml, &list.meta);
    xml.text("ownerId", account);
}

fn named<'a>(ask: &Ask, cloud: &'a Cloud) -> Result<&'a PrefixList, Fault> {
    let id: PrefixListId = ask.args().needed_id("PrefixListId")?;
    let list = (LISTING.one)(cloud, &ask.region, id);
    list.ok_or_else(|| fault::not_found(&id.into()))
}

fn prefix(args: Args<'_>) -> Result<Prefix, Fault> {
    let text = args.needed("Cidr")?;
    let why = "This is not a valid CIDR block.";
    text.parse().map_err(|_| Fault::value("Cidr", text, why))
}

fn read_entries(args: Args<'_>, name: &str) -> Result<Vec<PrefixListEntry>, Fault> {
    let one = |entry: Args<'_>| {
        let text = entry.text("Description");
        Ok(PrefixListEntry {
            prefix: prefix(entry)?,
            description: text
                .map(|text| described("Description", text))
                .transpose()?,
        })
    };
    args.groups(name).into_iter().map(one).collect()
}

fn size(given: i64) -> Result<u32, Fault> {
    let size = u32::try_from(given).ok().filter(|size| *size > 0);
    size.ok_or_else(|| Fault::value("MaxEntries", &given.to_string(), "Use a number from 1."))
}

fn create(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let args = ask.args();
    let name: Label = described("PrefixListName", args.needed("PrefixListName")?)?;
    if name.as_str().starts_with("com.amazonaws") {
        let why = "Names that begin with com.amazonaws are AWS's own.";
        return Err(Fault::value("PrefixListName", name.as_str(), why));
    }
    let family = match args.needed("AddressFamily")? {
        "IPv4" => Family::Ipv4,
        "IPv6" => Family::Ipv6,
        other => return Err(Fault::value("AddressFamily", other, "Use IPv4 or IPv6.")),
    };
    let draft = Draft {
        region: ask.region.clone(),
        family,
        max_entries: size(args.int("MaxEntries").unwrap_or(0))?,
        entries: read_entries(args, "Entry")?,
        label: None,
    };
    let tags = args.tags_for("prefix-list")?;
    let id: PrefixListId = stage
        .create(|cloud, settings, entropy| prefix_list::create(cloud, settings, draft, entropy))?;
    stage.describe(id, Some(name));
    stage.tag(id, tags)?;
    Ok(shown(id, "create-in-progress"))
}

/// Answers with the list.
fn shown(id: PrefixListId, state: &'static str) -> Answer {
    Box::new(move |ask, cloud, xml| {
        xml.nest("prefixList", |xml| {
            if let Some(list) = cloud.prefix_list(id) {
                fields(ask, list, state, xml);
            }
        });
    })
}

fn modify(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let args = ask.args();
    let list = named(ask, stage.cloud())?;
    let current = i64::try_from(list.meta.updated.0).unwrap_or(i64::MAX);
    if args
        .int("CurrentVersion")
        .is_some_and(|given| given != current)
    {
        let message = format!("The prefix list has version {current}, which was not given");
        return Err(Fault::new("PrefixListVersionMismatch", message));
    }
    let mut kept = list.entries.clone();
    for gone in args.groups("RemoveEntry") {
        let prefix = prefix(gone)?;
        let before = kept.len();
        kept.retain(|entry| entry.prefix != prefix);
        if kept.len() == before {
            let message = format!("The prefix list has no entry {prefix}");
            return Err(Fault::new("InvalidParameterValue", message));
        }
    }
    for added in read_entries(args, "AddEntry")? {
        // One that is there gets the new description.
        match kept.iter_mut().find(|entry| entry.prefix == added.prefix) {
            Some(entry) => *entry = added,
            None => kept.push(added),
        }
    }
    let update = Update {
        max_entries: args.int("MaxEntries").map(size).transpose()?,
        entries: Some(kept),
        label: None,
    };
    let id = list.id;
    let renamed = args.text("PrefixListName");
    let renamed = renamed
        .map(|text| described("PrefixListName", text))
        .transpose()?;
    stage.run(|cloud, settings, _| prefix_list::update(cloud, settings, id, update, None))?;
    if renamed.is_some() {
        stage.describe(id, renamed);
    }
    Ok(shown(id, "modify-in-progress"))
}

fn delete(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let list = named(ask, stage.cloud())?.clone();
    let id = list.id;
    stage.run(|cloud, _, _| prefix_list::delete(cloud, id, None))?;
    Ok(Box::new(move |ask, _, xml| {
        xml.nest("prefixList", |xml| {
            fields(ask, &list, "delete-in-progress", xml);
        });
    }))
}

fn entries(ask: &Ask, cloud: &Cloud, xml: &mut Xml) -> Result<(), Fault> {
    let list = named(ask, cloud)?;
    let page = Page::read(ask.args(), &format!("entries/{}", list.id))?;
    let after = page.after.as_deref();
    let at = list
        .entries
        .iter()
        .position(|e| Some(e.prefix.to_string().as_str()) == after);
    let rest = &list.entries[at.map_or(0, |at| at + 1)..];
    let shown = &rest[..rest.len().min(page.size)];
    xml.list("entrySet", shown, |xml, entry| {
        xml.text("cidr", entry.prefix);
        xml.maybe("description", entry.description.as_ref());
    });
    if let Some(last) = shown.last().filter(|_| shown.len() < rest.len()) {
        xml.text("nextToken", page.token(&last.prefix.to_string()));
    }
    Ok(())
}
