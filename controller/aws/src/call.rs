//! From a request to an action, and from its outcome to the service's answer.

use ring::digest;
use weft_model::{
    AccountId, Change, Cloud,
    ops::{Entropy, Settings},
};

use crate::{
    Action, Answer, Ask, Fault, Keys, Run, Service, Stage, Xml, ec2,
    form::{self, Group, Value},
    shape::{self, Param},
    sign::{self, Signed},
    sts,
};

/// An HTTP request, read whole.
#[derive(Debug, Clone, Copy)]
pub struct Http<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path.
    pub path: &'a str,
    /// What follows the question mark.
    pub query: &'a str,
    /// Its headers.
    pub headers: &'a [(String, String)],
    /// Its body.
    pub body: &'a [u8],
}

impl Http<'_> {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// What a request led to.
pub type Received = Result<Call, (Service, Fault)>;

/// A call that is well-formed and signed by somebody who may.
pub struct Call {
    /// What to do.
    pub action: &'static Action,
    /// With what.
    pub ask: Ask,
    /// Its signature.
    pub signature: [u8; 32],
    /// Whether only to say what would become of it.
    pub dry_run: bool,
    /// What a repetition is known by, if it says so.
    pub repeat: Option<Repeat>,
}

/// What makes a write safe to repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeat {
    /// The same for the same request of the same caller.
    pub id: String,
    /// The same for the same parameters.
    pub digest: u64,
}

/// `DryRun` of EC2.
const DRY_RUN: Param = shape::boolean("DryRun");

/// The parameters that name the action.
const COMMON: [&str; 2] = ["Action", "Version"];

/// The actions of the service.
pub fn actions(service: Service) -> impl Iterator<Item = &'static Action> {
    let modules: &'static [&'static [Action]] = match service {
        Service::Ec2 => ec2::ACTIONS,
        Service::Sts => &[sts::ACTIONS],
        Service::Elbv2 => &[],
    };
    modules.iter().flat_map(|module| module.iter())
}

/// Reads a request, verifies who sent it, and finds what it asks for.
///
/// # Errors
/// The service's own.
pub fn receive(http: &Http<'_>, keys: &Keys, account: &AccountId, now: i64) -> Received {
    let signed = sign::verify(http, keys, now)?;
    let service = signed.service;
    understand(http, signed, account).map_err(|fault| (service, fault))
}

fn understand(http: &Http<'_>, signed: Signed, account: &AccountId) -> Result<Call, Fault> {
    let service = signed.service;
    if !matches!(http.path, "" | "/") {
        let message = format!("There is nothing at {}: the endpoint is /", http.path);
        return Err(Fault::new("InvalidAction", message).with_status(404));
    }
    let mut params = match http.method {
        "POST" => form::parse(http.body)?,
        "GET" => form::parse(http.query.as_bytes())?,
        method => {
            let message = format!("The method {method} is not served: use POST");
            return Err(Fault::new("InvalidAction", message).with_status(405));
        }
    };
    let [action, version] = COMMON.map(|name| match params.remove(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    });
    let action = find(service, action, version)?;
    let dry_run = take_dry_run(service, &mut params)?;
    if !matches!(action.run, Run::Refused(_)) {
        shape::check(service, &params, action.params)?;
    }
    let region = signed.region.parse();
    let region = region.map_err(|_| sign::no_region(service, &signed.region))?;
    let repeat = repeat(http, &signed, action, &params);
    Ok(Call {
        action,
        dry_run,
        repeat,
        signature: signed.signature,
        ask: Ask {
            service,
            region,
            account: account.clone(),
            key: signed.key,
            params,
        },
    })
}

fn find(
    service: Service,
    action: Option<String>,
    version: Option<String>,
) -> Result<&'static Action, Fault> {
    let action = action.ok_or_else(|| {
        let message = "The request must contain the parameter Action";
        Fault::new("MissingAction", message)
    })?;
    let version = version.unwrap_or_else(|| service.version().to_owned());
    let found = actions(service).find(|known| known.name == action);
    if version == service.version()
        && let Some(found) = found
    {
        return Ok(found);
    }
    let action: String = action.chars().take(64).collect();
    let version: String = version.chars().take(32).collect();
    let message =
        format!("The action {action} is not valid for this web service, version {version}.");
    Err(Fault::new("InvalidAction", message))
}

fn take_dry_run(service: Service, params: &mut Group) -> Result<bool, Fault> {
    if service != Service::Ec2 {
        return Ok(false);
    }
    let Some(value) = params.remove(DRY_RUN.name) else {
        return Ok(false);
    };
    let only = Group::from([(DRY_RUN.name.to_owned(), value)]);
    shape::check(service, &only, &[DRY_RUN])?;
    Ok(crate::Args::new(&only).flag(DRY_RUN.name) == Some(true))
}

/// A client token, or else the id that an SDK gives a call and its repetitions.
fn repeat(http: &Http<'_>, signed: &Signed, action: &Action, params: &Group) -> Option<Repeat> {
    let token = crate::Args::new(params).text("ClientToken");
    let (kind, token) = match token {
        Some(token) => ("token", token),
        None => ("call", http.header("amz-sdk-invocation-id")?),
    };
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [kind, &signed.key, &signed.region, action.name, token] {
        context.update(part.as_bytes());
        context.update(&[0]);
    }
    let id = sign::hex(context.finish().as_ref());
    let content = digest::digest(&digest::SHA256, format!("{params:?}").as_bytes());
    let first = content.as_ref().first_chunk().copied().unwrap_or_default();
    Some(Repeat {
        id: format!("aws-{id}"),
        digest: u64::from_be_bytes(first),
    })
}

impl Call {
    /// Answers by looking at the cloud; a dry run, and whatever doesn't change anything. `None` for
    /// a write that is to be carried out.
    ///
    /// # Errors
    /// The service's own, a dry run's success among them.
    pub fn look(
        &self,
        cloud: &Cloud,
        settings: &Settings,
        entropy: &mut dyn Entropy,
    ) -> Result<Option<Vec<u8>>, Fault> {
        self.check_region(cloud)?;
        let mut xml = Xml::part(self.ask.service);
        match self.action.run {
            Run::Refused(why) => {
                return Err(Fault::unsupported(format!(
                    "The action {} is not supported: {why}",
                    self.action.name
                )));
            }
            Run::Write(_) if !self.dry_run => return Ok(None),
            Run::Read(run) => run(&self.ask, cloud, &mut xml)?,
            Run::Write(run) => {
                let _answer = run(&self.ask, &mut Stage::new(cloud, settings, entropy))?;
            }
        }
        if self.dry_run {
            let message = "Request would have succeeded, but DryRun flag is set.";
            return Err(Fault::new("DryRunOperation", message).with_status(412));
        }
        Ok(Some(xml.finish()))
    }

    /// Works a write out: its changes, and what answers once they are made.
    ///
    /// # Errors
    /// The service's own.
    pub fn work(
        &self,
        cloud: &Cloud,
        settings: &Settings,
        entropy: &mut dyn Entropy,
    ) -> Result<(Vec<Change>, Answer), Fault> {
        self.check_region(cloud)?;
        let Run::Write(run) = self.action.run else {
            return Err(Fault::new("InternalError", "a read was queued").with_status(500));
        };
        let mut stage = Stage::new(cloud, settings, entropy);
        let answer = run(&self.ask, &mut stage)?;
        Ok((stage.finish(), answer))
    }

    fn check_region(&self, cloud: &Cloud) -> Result<(), Fault> {
        let Ask {
            service, region, ..
        } = &self.ask;
        if *service == Service::Sts || cloud.region(region).is_some() {
            return Ok(());
        }
        Err(sign::no_region(*service, region.as_str()))
    }
}

/// The inner part of a write's answer.
pub fn render(ask: &Ask, cloud: &Cloud, answer: Answer) -> Vec<u8> {
    let mut xml = Xml::part(ask.service);
    answer(ask, cloud, &mut xml);
    xml.finish()
}

/// The whole answer around its inner part.
pub fn body(service: Service, action: &Action, request_id: &str, part: &[u8]) -> Vec<u8> {
    let mut xml = Xml::document(service);
    let name = action.name;
    xml.root(&format!("{name}Response"), service.namespace(), |xml| {
        if service == Service::Ec2 {
            xml.text("requestId", request_id);
            xml.append(part);
        } else {
            xml.nest(&format!("{name}Result"), |xml| xml.append(part));
            xml.nest("ResponseMetadata", |xml| xml.text("RequestId", request_id));
        }
    });
    xml.finish()
}
