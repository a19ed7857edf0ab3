//! The services that one endpoint serves, told apart by the signed scope.

/// A service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// EC2: the Query API with flattened lists.
    Ec2,
    /// Elastic Load Balancing, version 2.
    Elbv2,
    /// Security tokens.
    Sts,
}

impl Service {
    /// Every service.
    pub const ALL: [Self; 3] = [Self::Ec2, Self::Elbv2, Self::Sts];

    /// The service that a signed scope names.
    pub fn of_scope(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.scope() == name)
    }

    /// The service with this API version, for what has no scope to go by.
    pub fn of_version(version: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.version() == version)
    }

    /// Its name in signed scopes.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Elbv2 => "elasticloadbalancing",
            Self::Sts => "sts",
        }
    }

    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Ec2 => "EC2",
            Self::Elbv2 => "Elastic Load Balancing (version 2)",
            Self::Sts => "STS",
        }
    }

    /// The version of its API.
    pub const fn version(self) -> &'static str {
        match self {
            Self::Ec2 => "2016-11-15",
            Self::Elbv2 => "2015-12-01",
            Self::Sts => "2011-06-15",
        }
    }

    /// The XML namespace of its answers.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::Ec2 => "http://ec2.amazonaws.com/doc/2016-11-15/",
            Self::Elbv2 => "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
            Self::Sts => "https://sts.amazonaws.com/doc/2011-06-15/",
        }
    }

    /// What a list's elements are called in XML.
    pub const fn item(self) -> &'static str {
        match self {
            Self::Ec2 => "item",
            Self::Elbv2 | Self::Sts => "member",
        }
    }
}
