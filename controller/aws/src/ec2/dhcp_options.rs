//! DHCP options: a region has AWS's default ones, and every VPC has these.

use weft_model::{Cloud, ops::vpc};

use super::{region::dhcp_options, vpc_named};
use crate::{
    Action, Answer, Ask, Fault, Stage, Xml,
    action::done,
    fault,
    filter::is_like,
    ids,
    page::Page,
    shape::{FILTERS, MAX_RESULTS, NEXT_TOKEN, text, texts},
};

/// The actions.
pub(super) const ACTIONS: &[Action] = &[
    Action::read(
        "DescribeDhcpOptions",
        &[texts("DhcpOptionsId"), FILTERS, MAX_RESULTS, NEXT_TOKEN],
        describe,
    ),
    Action::write(
        "AssociateDhcpOptions",
        &[text("DhcpOptionsId").required(), text("VpcId").required()],
        associate,
    )
    .without("other options than the region's own, and none (`default`)"),
    Action::refused("CreateDhcpOptions", "every VPC has the region's own"),
    Action::refused("DeleteDhcpOptions", "every VPC has the region's own"),
];

fn configuration(ask: &Ask) -> [(&'static str, String); 2] {
    [
        ("domain-name", format!("{}.compute.internal", ask.region)),
        ("domain-name-servers", "AmazonProvidedDNS".to_owned()),
    ]
}

fn check(ask: &Ask, id: &str) -> Result<(), Fault> {
    if id == dhcp_options(&ask.region) {
        return Ok(());
    }
    if ids::is_well_formed("dopt", id) {
        let noun = "dhcpOption ID";
        return Err(fault::absent("InvalidDhcpOptionID.NotFound", noun, id));
    }
    let message = format!("Invalid id: \"{id}\" (expecting \"dopt-...\")");
    Err(Fault::new("InvalidDhcpOptionsId.Malformed", message))
}

fn describe(ask: &Ask, _: &Cloud, xml: &mut Xml) -> Result<(), Fault> {
    let args = ask.args();
    Page::read(args, "dhcp")?;
    for id in args.texts("DhcpOptionsId") {
        check(ask, id)?;
    }
    let own = dhcp_options(&ask.region);
    let mut wanted = true;
    for filter in args.groups("Filter") {
        let is = |text: &str| {
            filter
                .texts("Value")
                .iter()
                .any(|value| is_like(value, text))
        };
        let configuration = configuration(ask);
        wanted &= match filter.needed("Name")? {
            "dhcp-options-id" => is(&own),
            "key" => configuration.iter().any(|(key, _)| is(key)),
            "value" => configuration.iter().any(|(_, value)| is(value)),
            "owner-id" => is(ask.account.as_str()),
            name if name == "tag-key" || name.starts_with("tag:") => false,
            name => {
                let message = format!("The filter '{name}' is invalid");
                return Err(Fault::new("InvalidParameterValue", message));
            }
        };
    }
    xml.list("dhcpOptionsSet", wanted.then_some(own), |xml, id| {
        xml.text("dhcpOptionsId", id);
        xml.text("ownerId", &ask.account);
        xml.list(
            "dhcpConfigurationSet",
            configuration(ask),
            |xml, (key, value)| {
                xml.text("key", key);
                xml.list("valueSet", [value], |xml, value| xml.text("value", value));
            },
        );
        xml.list("tagSet", [(); 0], |_, ()| {});
    });
    Ok(())
}

fn associate(ask: &Ask, stage: &mut Stage<'_>) -> Result<Answer, Fault> {
    let id = ask.args().needed("DhcpOptionsId")?;
    if id == "default" {
        return Err(Fault::unsupported(
            "A VPC without DHCP options is not supported here",
        ));
    }
    check(ask, id)?;
    let vpc = vpc_named(ask, stage.cloud(), "VpcId")?.id;
    let same = vpc::Update::default();
    stage.run(|cloud, settings, _| vpc::update(cloud, settings, vpc, same, None))?;
    Ok(done())
}
