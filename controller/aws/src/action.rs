//! Actions: what a service can be asked to do.

use weft_model::{
    AccountId, Change, Cloud, Label, RegionName, ResourceKey, Tags,
    ops::{Entropy, OpError, Settings},
};

use crate::{
    Args, Fault, Service, Xml,
    form::Group,
    ids::AwsId,
    shape::{self, Param},
};

/// A call that came through: whose, where and with which parameters.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The service.
    pub service: Service,
    /// The region of the signed scope; it exists.
    pub region: RegionName,
    /// Whose the cloud is.
    pub account: AccountId,
    /// The access key that signed.
    pub key: String,
    pub(crate) params: Group,
}

impl Ask {
    /// The parameters.
    pub fn args(&self) -> Args<'_> {
        Args::new(&self.params)
    }
}

/// Writes the answer to a write, once it is carried out: the cloud has the changes.
pub type Answer = Box<dyn FnOnce(&Ask, &Cloud, &mut Xml) + Send>;

/// The answer of writes that only say that they are done.
pub fn done() -> Answer {
    Box::new(|_, _, xml| xml.text("return", true))
}

/// What an action does.
#[derive(Clone, Copy)]
pub enum Run {
    /// Looks at the cloud and answers.
    Read(fn(&Ask, &Cloud, &mut Xml) -> Result<(), Fault>),
    /// Makes changes.
    Write(fn(&Ask, &mut Stage<'_>) -> Result<Answer, Fault>),
    /// AWS has it, Weft hasn't: why.
    Refused(&'static str),
}

/// How far Weft does what AWS does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// As far as Weft has what it is about.
    Full,
    /// But for this.
    Partly(&'static str),
    /// Not at all: why.
    Refused(&'static str),
}

/// An action of a service.
#[derive(Clone, Copy)]
pub struct Action {
    /// Its name.
    pub name: &'static str,
    /// What it takes, beside `DryRun` of EC2.
    pub params: &'static [Param],
    /// What it does.
    pub run: Run,
    /// What is missing, beside the parameters that it refuses.
    pub missing: &'static str,
}

impl Action {
    /// One that looks.
    pub const fn read(
        name: &'static str,
        params: &'static [Param],
        run: fn(&Ask, &Cloud, &mut Xml) -> Result<(), Fault>,
    ) -> Self {
        Self {
            name,
            params,
            run: Run::Read(run),
            missing: "",
        }
    }

    /// One that changes.
    pub const fn write(
        name: &'static str,
        params: &'static [Param],
        run: fn(&Ask, &mut Stage<'_>) -> Result<Answer, Fault>,
    ) -> Self {
        Self {
            name,
            params,
            run: Run::Write(run),
            missing: "",
        }
    }

    /// One that Weft doesn't have.
    pub const fn refused(name: &'static str, why: &'static str) -> Self {
        Self {
            name,
            params: &[],
            run: Run::Refused(why),
            missing: "",
        }
    }

    /// The same, without something.
    pub const fn without(mut self, missing: &'static str) -> Self {
        self.missing = missing;
        self
    }

    /// How far it goes.
    pub fn support(&self) -> Support {
        match self.run {
            Run::Refused(why) => Support::Refused(why),
            _ if self.missing.is_empty() && self.refused_params().next().is_none() => Support::Full,
            _ => Support::Partly(self.missing),
        }
    }

    /// The parameters that it refuses, or takes some values of alone.
    pub fn refused_params(&self) -> impl Iterator<Item = &'static str> {
        let refused = |p: &&Param| matches!(p.shape, shape::Shape::Lacks | shape::Shape::Only(_));
        self.params.iter().filter(refused).map(|p| p.name)
    }
}

/// A write being worked out: changes that the model's commands made so far.
pub struct Stage<'a> {
    base: &'a Cloud,
    settings: &'a Settings,
    entropy: &'a mut dyn Entropy,
    /// `base` with the changes, where a second command needs it.
    ahead: Option<Cloud>,
    changes: Vec<Change>,
}

impl<'a> Stage<'a> {
    /// Nothing done yet.
    pub fn new(base: &'a Cloud, settings: &'a Settings, entropy: &'a mut dyn Entropy) -> Self {
        Self {
            base,
            settings,
            entropy,
            ahead: None,
            changes: Vec::new(),
        }
    }

    /// The cloud as it is with the changes made so far.
    pub fn cloud(&self) -> &Cloud {
        self.ahead.as_ref().unwrap_or(self.base)
    }

    /// Runs a command of the model.
    ///
    /// # Errors
    /// As the command.
    pub fn run(
        &mut self,
        command: impl FnOnce(&Cloud, &Settings, &mut dyn Entropy) -> Result<Vec<Change>, OpError>,
    ) -> Result<Vec<ResourceKey>, OpError> {
        // Actions of several commands are few: the others never pay for a copy.
        if !self.changes.is_empty() && self.ahead.is_none() {
            let mut ahead = self.base.clone();
            ahead.apply(&self.changes);
            self.ahead = Some(ahead);
        }
        let cloud = self.ahead.as_ref().unwrap_or(self.base);
        let changes = command(cloud, self.settings, self.entropy)?;
        if let Some(ahead) = &mut self.ahead {
            ahead.apply(&changes);
        }
        let keys = changes.iter().filter_map(Change::key).collect();
        changes.into_iter().for_each(|change| self.add(change));
        Ok(keys)
    }

    /// Runs a command that makes a resource.
    ///
    /// # Errors
    /// As the command.
    pub fn create<T: AwsId>(
        &mut self,
        command: impl FnOnce(&Cloud, &Settings, &mut dyn Entropy) -> Result<Vec<Change>, OpError>,
    ) -> Result<T, OpError> {
        let keys = self.run(command)?;
        let id = keys.iter().find_map(T::of);
        Ok(id.expect("a creation makes what it is for"))
    }

    /// Says what a resource that was just made or changed is for.
    pub fn describe(&mut self, key: impl Into<ResourceKey>, description: Option<Label>) {
        let key = key.into();
        let mut made = self.changes.iter_mut().filter_map(|c| c.after.as_mut());
        if let Some(resource) = made.find(|resource| resource.key() == key) {
            resource.meta_mut().description = description;
        }
    }

    /// Puts tags on what was just made.
    ///
    /// # Errors
    /// When there are too many.
    pub fn tag(&mut self, key: impl Into<ResourceKey>, tags: Tags) -> Result<(), Fault> {
        let key = key.into();
        let limit = self.settings.quotas.tags_per_resource;
        let mut made = self.changes.iter_mut().filter_map(|c| c.after.as_mut());
        let Some(resource) = made.find(|resource| resource.key() == key) else {
            return Ok(());
        };
        let meta = resource.meta_mut();
        for (tag, value) in tags {
            meta.put_tag(tag, value);
        }
        if meta.tag_count() > limit {
            let message = format!("A resource may have at most {limit} tags");
            return Err(Fault::new("TagLimitExceeded", message));
        }
        Ok(())
    }

    /// The changes, one for each resource.
    pub fn finish(self) -> Vec<Change> {
        self.changes
    }

    /// Of two changes of a resource one remains: from what it was to what it is.
    fn add(&mut self, change: Change) {
        let key = change.key();
        let mut known = self.changes.iter_mut();
        match known.find(|old| key.is_some() && old.key() == key) {
            Some(old) => old.after = change.after,
            None => self.changes.push(change),
        }
    }
}
