//! Security tokens: who am I?

use weft_model::Cloud;

use crate::{Action, Ask, Fault, Xml};

/// The actions.
pub const ACTIONS: &[Action] = &[
    Action::read("GetCallerIdentity", &[], identity),
    Action::refused("AssumeRole", "there are no roles; sign with an access key"),
    Action::refused(
        "GetSessionToken",
        "there are no sessions; sign with an access key",
    ),
];

fn identity(ask: &Ask, _: &Cloud, xml: &mut Xml) -> Result<(), Fault> {
    let account = &ask.account;
    xml.text("Arn", format!("arn:aws:iam::{account}:user/{}", ask.key));
    xml.text("UserId", &ask.key);
    xml.text("Account", account);
    Ok(())
}
