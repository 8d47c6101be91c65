//! The words for what a span belongs to: component, level, kind. The numbers are those of the contract and of OTLP.

/// A part of the service that can be turned up, down and off on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Component {
    /// HTTP servers and clients.
    Http = 0,
    /// gRPC servers and clients.
    Grpc = 1,
    /// Databases and caches.
    Sql = 2,
    /// Producers and consumers of messages.
    Messaging = 3,
    /// The service's own spans, those of `tracing` macros included.
    App = 4,
    /// Logs sent over OTLP; lines on standard output are governed by the log level alone.
    Logs = 5,
    /// Metrics.
    Metrics = 6,
}

impl Component {
    /// All components, in the order of their numbers.
    pub const ALL: [Component; 7] =
        [Component::Http, Component::Grpc, Component::Sql, Component::Messaging, Component::App, Component::Logs, Component::Metrics];

    /// The word that policies use.
    pub const fn name(self) -> &'static str {
        match self {
            Component::Http => "http",
            Component::Grpc => "grpc",
            Component::Sql => "sql",
            Component::Messaging => "messaging",
            Component::App => "app",
            Component::Logs => "logs",
            Component::Metrics => "metrics",
        }
    }

    /// The component of a policy's word; `None` for any other text.
    pub fn parse(text: &str) -> Option<Component> {
        Component::ALL.into_iter().find(|c| c.name() == text)
    }
}

/// How much a component tells: `Off < Edges < Standard < Detailed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Level {
    /// Nothing; context, flags and baggage still pass through.
    Off = 0,
    /// Where requests and messages enter and leave.
    Edges = 1,
    /// Also database calls and the service's own spans.
    #[default]
    Standard = 2,
    /// Also the phases of calls: connect, wait for a pool, read rows.
    Detailed = 3,
}

impl Level {
    /// The word that policies use.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Off => "off",
            Level::Edges => "edges",
            Level::Standard => "standard",
            Level::Detailed => "detailed",
        }
    }

    /// The level of a policy's word; `None` for any other text.
    pub fn parse(text: &str) -> Option<Level> {
        match text {
            "off" => Some(Level::Off),
            "edges" => Some(Level::Edges),
            "standard" => Some(Level::Standard),
            "detailed" => Some(Level::Detailed),
            _ => None,
        }
    }
}

/// The role of a span in a call. The numbers are those of OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Kind {
    /// Work inside the service.
    #[default]
    Internal = 1,
    /// A request that is answered.
    Server = 2,
    /// A request that is sent.
    Client = 3,
    /// A message that is sent.
    Producer = 4,
    /// A message that is processed.
    Consumer = 5,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Kind; 5] = [Kind::Internal, Kind::Server, Kind::Client, Kind::Producer, Kind::Consumer];

    /// The word that policies use.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Internal => "internal",
            Kind::Server => "server",
            Kind::Client => "client",
            Kind::Producer => "producer",
            Kind::Consumer => "consumer",
        }
    }

    /// The kind of a word in any case; `None` for any other text.
    pub fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|k| k.name().eq_ignore_ascii_case(text))
    }
}
