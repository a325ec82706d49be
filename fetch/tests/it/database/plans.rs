//! That what is asked often is found by indexes, however much there is.
//!
//! The server itself explains and measures every statement that the store runs, in the same form as the store's
//! connections get it. A scan of a table that grows must go by a condition of its index, and must not pass over
//! many rows for the sake of few.

use std::collections::BTreeSet;

use nudge_fetch::store::{
    ConversationKind, PageLimits, Retention, Role, Span,
    conformance::{Person, World, unlimited},
};
use nudge_proto::{ConversationSeq, InboxSeq, MessageId};
use nudge_test_servers::{Postgres, PostgresOptions};

use super::{name_of, world};

/// Tables that grow with what people do.
const GROWING: [&str; 16] = [
    "blocks",
    "conversations",
    "devices",
    "direct_pairs",
    "fan_outs",
    "grants",
    "group_requests",
    "inbox_entries",
    "inboxes",
    "media",
    "members",
    "memberships",
    "messages",
    "receipts_due",
    "send_receipts",
    "uploads",
];

/// 500 others, in 2,000 direct conversations with 20 messages each, among them what was refused, changed and
/// expired, in both inboxes; and some media.
const CROWD: &str = "
    CREATE FUNCTION made(kind text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
        $$ SELECT md5(kind || n)::uuid $$;
    INSERT INTO users (id, handle, display_name, created_at)
        SELECT made('user', n), 'other_' || n, '', 1 FROM generate_series(0, 499) n;
    INSERT INTO inboxes SELECT made('user', n), 160, 1, NULL FROM generate_series(0, 499) n;
    INSERT INTO devices SELECT made('user', n), made('device', n), '', 1, NULL, 0, 1, 1
        FROM generate_series(0, 499) n;
    INSERT INTO conversations SELECT made('conversation', n), 'direct', '', 20, made('user', n % 500), 1
        FROM generate_series(0, 1999) n;
    INSERT INTO members (conversation_id, user_id, role, joined_seq, read_seq, delivered_seq)
        SELECT made('conversation', n), made('user', (n + side * (1 + n / 500)) % 500), 'member', 1, 0, 0
        FROM generate_series(0, 1999) n, generate_series(0, 1) side;
    INSERT INTO memberships (conversation_id, user_id, joined_seq)
        SELECT conversation_id, user_id, 1 FROM members;
    INSERT INTO messages (conversation_id, seq, id, sender_id, client_id, sent_at, expires_at, refused, change)
        SELECT made('conversation', n), seq, made('message', n * 20 + seq), made('user', n % 500),
            made('client', n * 20 + seq), 1799999999000, CASE WHEN seq = 3 THEN 1799999999500 END, seq % 5 = 0,
            CASE WHEN seq % 7 = 0 THEN '\\x'::bytea END
        FROM generate_series(0, 1999) n, generate_series(1, 20) seq;
    INSERT INTO inbox_entries (user_id, seq, conversation_id, conversation_seq, created_at)
        SELECT user_id, row_number() OVER (PARTITION BY user_id), conversation_id, seq, 1799999999000
        FROM messages JOIN members USING (conversation_id);
    INSERT INTO inbox_entries (user_id, seq, conversation_id, receipt, created_at)
        SELECT user_id, 1000 + row_number() OVER (PARTITION BY user_id), conversation_id, '\\x', 1799999999000
        FROM members;
    INSERT INTO send_receipts SELECT conversation_id, sender_id, client_id, id, seq, 1, '\\x', sent_at FROM messages;
    INSERT INTO receipts_due (conversation_id, due_at)
        SELECT id, NULL FROM conversations;
    INSERT INTO media (id, owner_id, file_name, content_type, size, sha256, created_at, completed_at, expires_at)
        SELECT made('medium', n), made('user', n % 500), '', '', 1, decode(repeat('00', 32), 'hex'), 1, 1,
            9000000000000 FROM generate_series(0, 19999) n;
    INSERT INTO grants SELECT made('medium', n), made('conversation', n % 2000), 1, 0, NULL, NULL
        FROM generate_series(0, 19999) n;
    INSERT INTO blocks SELECT made('user', n), made('user', (n + 250) % 500) FROM generate_series(0, 499) n;
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn p5_no_statement_walks_over_what_it_was_not_asked_for() {
    let settings = [
        ("shared_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_analyze", "on"),
        ("auto_explain.log_timing", "off"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let server = Postgres::start(PostgresOptions { settings }).unwrap();
    let url = server.database();
    let world = world(url.clone()).await;
    server
        .run_sql_in(name_of(&url), &format!("SET auto_explain.log_min_duration = -1; {CROWD}"))
        .unwrap();
    // Outside of a transaction: it may not run in one.
    server.run_sql_in(name_of(&url), "VACUUM ANALYZE").unwrap();
    let before = server.log().len();
    live(&world).await;
    world.close().await;

    let log = server.log();
    let plans = Plans::read(&log[before..]);
    assert!(plans.tables.contains("messages") && plans.tables.contains("inbox_entries"));
    assert!(plans.count > 100, "{} plans", plans.count);
    assert!(plans.faults.is_empty(), "{}", plans.faults.join("\n\n"));
}

/// Everything that happens often, some of it often enough for every form of its plan.
async fn live(world: &World) {
    let (ada, bob) = (world.person("ada").await, world.person("bob").await);
    let (direct, group) = (world.direct(ada, bob).await, world.group(ada, &[bob]).await);
    let medium = world.medium(ada).await;
    for round in 0..8 {
        let sent = world.say(ada, direct, format!("{round}")).await;
        let mut draft = world.draft(bob, group, "with a picture");
        draft.sender = ada.pair();
        draft.media = vec![medium];
        world.send(draft).await.unwrap();
        world.ack_all(bob).await;
        world.read(bob, direct, sent.seq.0).await;
        world.wait_s(2);
        world.settle().await;
        look(world, bob, round).await;
    }
    let eve = world.person("eve").await;
    world.add(ada, group, eve, Role::Member).await;
    world.block(eve, ada).await;
    world.remove(eve, group, eve).await;
    world.sweep(Retention { history_days: Some(30), ..unlimited() }).await;
}

/// What one person asks.
async fn look(world: &World, who: Person, round: u64) {
    let (store, now) = (world.store(), world.now());
    world.page(who, round, PageLimits { entries: 100, bytes: 1 << 20 }).await.unwrap();
    let list = store.conversations(who.user_id, None, 50, now).await.unwrap();
    for conversation in &list.conversations {
        store.conversation(who.user_id, conversation.id, now).await.unwrap();
        store.history(who.user_id, conversation.id, None, 50, now).await.unwrap();
        store.marks(who.user_id, conversation.id).await.unwrap();
        if conversation.kind == ConversationKind::Direct {
            store.typing_audience(who.user_id, conversation.id).await.unwrap();
        }
        let message = conversation.last_message.as_ref().unwrap();
        store.message(who.user_id, message.id, now).await.unwrap();
    }
    assert!(store.message(who.user_id, MessageId::random(), now).await.is_err());
    store.device_states(&[who.pair()]).await.unwrap();
    store.devices(who.user_id).await.unwrap();
    let (above, through) = (InboxSeq(0), InboxSeq(round));
    let inbox = Span::Inbox { user_id: who.user_id, above, through };
    let conversation = Span::Conversation {
        user_id: who.user_id,
        conversation_id: list.conversations[0].id,
        above: ConversationSeq(0),
        through: ConversationSeq(round),
    };
    store.passed(&[inbox, conversation]).await.unwrap();
}

/// What the server's log says of plans.
#[derive(Default)]
struct Plans {
    count: usize,
    tables: BTreeSet<String>,
    /// Whole plans, and what is wrong with each.
    faults: Vec<String>,
}

impl Plans {
    fn read(log: &str) -> Self {
        let mut plans = Self::default();
        for plan in log.split("plan:\n").skip(1) {
            // A plan is indented; the next line of the log is not.
            let plan: Vec<_> = plan.lines().take_while(|line| line.starts_with('\t')).collect();
            plans.count += 1;
            for (at, line) in plan.iter().enumerate() {
                let Some(scan) = Scan::read(line) else { continue };
                plans.tables.insert(scan.table.clone());
                let depth = indentation(line);
                let details = plan[at + 1..]
                    .iter()
                    .take_while(|line| indentation(line) > depth && !line.contains("->"));
                if let Some(fault) = scan.fault(details.copied()) {
                    plans.faults.push(format!("{fault}:\n{}", plan.join("\n")));
                }
            }
        }
        plans
    }
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(['\t', ' ']).len()
}

/// A step that reads a table which grows.
struct Scan {
    table: String,
    is_sequential: bool,
}

impl Scan {
    /// `Index Scan using NAME on TABLE alias  (cost=..`, `Bitmap Heap Scan on TABLE`, `Seq Scan on TABLE`.
    fn read(line: &str) -> Option<Self> {
        let (step, rest) = line.split_once(" on ")?;
        if !step.contains("Scan") || step.contains("Bitmap Index Scan") {
            return None;
        }
        let table = rest.split_whitespace().next()?.to_owned();
        let grows = GROWING.contains(&table.as_str());
        grows.then(|| Self { table, is_sequential: step.contains("Seq Scan") })
    }

    fn fault<'a>(&self, details: impl Iterator<Item = &'a str>) -> Option<String> {
        let Self { table, is_sequential } = self;
        if *is_sequential {
            return Some(format!("{table} is read from end to end"));
        }
        let (mut has_condition, mut passed_over) = (false, 0);
        for detail in details.map(str::trim) {
            has_condition |= detail.starts_with("Index Cond") || detail.starts_with("Recheck Cond");
            if let Some(rows) = detail.strip_prefix("Rows Removed by Filter: ") {
                passed_over = rows.parse().unwrap();
            }
        }
        if !has_condition {
            return Some(format!("an index of {table} is read from end to end"));
        }
        (passed_over > PASSED_OVER_MAX)
            .then(|| format!("{passed_over} rows of {table} are passed over"))
    }
}

/// Rows that a scan may look at and leave.
const PASSED_OVER_MAX: u32 = 50;
