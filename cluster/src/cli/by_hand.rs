//! What was typed to break a running cluster by hand. Targets, links and lengths are words of a plan
//! and are read where plans are read.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Which cluster.
#[derive(Debug, Args)]
pub struct OnCluster {
    /// The cluster's name; needed when several run
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum BreakTyped {
    /// Kill nodes of a running cluster with SIGKILL
    Kill(DownArgs),
    /// Stop nodes of a running cluster in order, with SIGTERM
    Stop(DownArgs),
    /// Bring nodes of a running cluster back, or stop and start them
    Restart {
        /// As in a plan: s1, leader, followers, random(1), balancer, all, s1,s2 …
        target: String,
        #[command(flatten)]
        on: OnCluster,
    },
    /// Pause nodes of a running cluster with SIGSTOP
    Pause {
        /// As in a plan: s1, leader, followers, random(1), balancer, all, s1,s2 …
        target: String,
        #[command(flatten)]
        lasts: Lasts,
        #[command(flatten)]
        on: OnCluster,
    },
    /// Delay messages on links of a running cluster
    Delay {
        /// How long, such as 150ms
        #[arg(long, value_name = "TIME")]
        by: String,
        /// By how much it varies, up and down
        #[arg(long, value_name = "TIME")]
        jitter: Option<String>,
        /// How it varies: uniform or normal
        #[arg(long, value_name = "HOW")]
        distribution: Option<String>,
        #[command(flatten)]
        links: LinkArgs,
    },
    /// Lose messages on links of a running cluster
    Drop(LinkArgs),
    /// Repeat messages on links of a running cluster
    Duplicate {
        /// How often each comes in all; 2 if not given
        #[arg(long, value_name = "N")]
        copies: Option<String>,
        #[command(flatten)]
        links: LinkArgs,
    },
    /// Change the order of messages on links of a running cluster
    Reorder {
        /// How long a message may be held back, such as 50ms
        #[arg(long, value_name = "TIME")]
        within: Option<String>,
        #[command(flatten)]
        links: LinkArgs,
    },
    /// Give servers of a running cluster a test mode of the original system
    Mode {
        /// As in a plan: s1, leader, followers, s1,s2 …
        target: String,
        /// Such as p:10::a:20::c:30 (seconds before it handles prepare, accept, commit) or d (dead)
        mode: String,
        #[command(flatten)]
        lasts: Lasts,
        #[command(flatten)]
        on: OnCluster,
    },
    /// Cut groups of nodes of a running cluster from each other
    Partition {
        /// As in a plan: "s1 | s2,s3", "leader | rest", "s1 -> s2", halves, "isolate(s2)" …
        groups: String,
        #[command(flatten)]
        lasts: Lasts,
        #[command(flatten)]
        on: OnCluster,
    },
}

#[derive(Debug, Args)]
pub struct DownArgs {
    /// As in a plan: s1, leader, followers, random(1), balancer, all, s1,s2 …
    pub target: String,
    /// Wait so long, then start them again
    #[arg(long, value_name = "TIME")]
    pub restart_after: Option<String>,
    #[command(flatten)]
    pub on: OnCluster,
}

#[derive(Debug, Args)]
pub struct Lasts {
    /// Wait so long, then heal it; else it stays until `heal`
    #[arg(long = "for", value_name = "TIME")]
    pub lasts: Option<String>,
}

#[derive(Debug, Args)]
pub struct LinkArgs {
    /// As in a plan: "s1 -> s2", "leader <-> followers" …
    pub link: String,
    /// Only messages of these kinds: accept, commit, heartbeat …
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub kinds: Vec<String>,
    /// Only this share of the messages, such as 50%
    #[arg(long, value_name = "SHARE")]
    pub probability: Option<String>,
    /// Where it happens: send or receive
    #[arg(long, value_name = "SIDE")]
    pub side: Option<String>,
    #[command(flatten)]
    pub lasts: Lasts,
    #[command(flatten)]
    pub on: OnCluster,
}

#[derive(Debug, Subcommand)]
pub enum PlanTyped {
    /// Print everything that a plan can say, as one commented example
    Example,
    /// Write what was done by hand to a cluster as a plan that does it again
    Export {
        /// The cluster's name; needed when several run
        cluster: Option<String>,
        /// The file to write [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}
