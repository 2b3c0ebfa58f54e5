//! Mail on its way: from the outbox to a real mail server.

use std::{collections::HashSet, sync::Arc, time::Duration};

use countersign::{
    app::MailOptions,
    application::{
        commands::retry_outbox::{retry_all, retry_message},
        courier::{self, deliver_due},
        mail::{Link, Mail, Message, Occurrence, OneTime},
        ports::{OutboxFilter, Page},
        queries::outbox::{WaitingMessage, outbox},
        registrar::Registrar,
    },
    domain::{event::OutboxKind, time::Timestamp, user::Email},
    infrastructure::mail::{Sender, SmtpOptions, SmtpSecurity},
};

use super::support::{
    app::{Stage, TestApp, settings},
    smtp::{Encryption, Mood, PASSWORD, SmtpServer, USER},
};

const BOTH: [Stage; 2] = [Stage::Embedded, Stage::Servers];

fn smtp(server: &SmtpServer, security: SmtpSecurity) -> SmtpOptions {
    let credentials =
        (security != SmtpSecurity::Plain).then(|| (USER.to_owned(), PASSWORD.to_owned().into()));
    SmtpOptions {
        host: "127.0.0.1".to_owned(),
        port: Some(server.port),
        security,
        credentials,
        from: Sender::parse("Example Login <no-reply@id.example>").unwrap(),
        ca_file: (security != SmtpSecurity::Plain).then(|| server.ca_file()),
        timeout: Duration::from_secs(20),
        own_name: "id.example".to_owned(),
    }
}

async fn app_with(stage: Stage, options: SmtpOptions) -> TestApp {
    TestApp::start_on(stage, None, settings(), |app| {
        app.mail = MailOptions::Smtp(options);
    })
    .await
}

async fn app(stage: Stage, server: &SmtpServer) -> TestApp {
    app_with(stage, smtp(server, SmtpSecurity::Plain)).await
}

fn notice() -> Message {
    Message::PasswordChanged {
        occurrence: Occurrence {
            at: Timestamp(1_800_000_000),
            address: Some("192.0.2.1".to_owned()),
        },
    }
}

async fn enqueue(app: &TestApp, to: &str, message: Message) {
    let mail = Mail {
        to: Email::parse(to).unwrap(),
        locale: None,
        message,
    };
    let work = app.begin().await;
    app.ports().enqueue_mail(&*work, &mail).await.unwrap();
    work.commit().await.unwrap();
}

async fn waiting(app: &TestApp, filter: OutboxFilter) -> Vec<WaitingMessage> {
    let page = Page {
        after: None,
        limit: 1000,
    };
    outbox(&*app.ports().store, filter, &page).await.unwrap()
}

fn registrar(app: &TestApp) -> Registrar {
    app.registrar()
}

#[tokio::test]
async fn a_mail_arrives_encrypted_and_authenticated() {
    for (encryption, security) in [
        (Encryption::StartTls, SmtpSecurity::StartTls),
        (Encryption::FromTheFirstByte, SmtpSecurity::Tls),
    ] {
        let server = SmtpServer::start(encryption).await;
        let app = app_with(Stage::Embedded, smtp(&server, security)).await;
        enqueue(&app, "alice@id.example", notice()).await;
        assert_eq!(deliver_due(app.ports()).await.unwrap(), 1);
        let received = server.received();
        assert_eq!(received.len(), 1, "{encryption:?}");
        assert!(received[0].encrypted && received[0].authenticated);
        assert_eq!(received[0].to, "<alice@id.example>");
        assert_eq!(waiting(&app, OutboxFilter::All).await, []);
    }
}

#[tokio::test]
async fn a_mail_has_two_parts_and_the_headers_of_an_automatic_one() {
    let server = SmtpServer::start(Encryption::Never).await;
    let app = app(Stage::Embedded, &server).await;
    enqueue(&app, "alice@id.example", notice()).await;
    let id = waiting(&app, OutboxFilter::All).await.remove(0).id;
    deliver_due(app.ports()).await.unwrap();
    let mail = server.received().remove(0);
    assert_eq!(mail.header("Message-ID"), format!("<{id}@id.example>"));
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert_eq!(mail.header("To"), "alice@id.example");
    assert_eq!(
        mail.header("From"),
        "\"Example Login\" <no-reply@id.example>"
    );
    assert_eq!(
        mail.header("Subject"),
        "Your password at id.example was changed"
    );
    assert!(mail.data.contains("multipart/alternative"), "{}", mail.data);
    assert!(mail.data.contains("text/plain") && mail.data.contains("text/html"));
    assert!(
        mail.data.contains("15 January 2027, 08:00 UTC"),
        "{}",
        mail.data
    );
}

#[tokio::test]
async fn nothing_is_said_to_a_server_that_cannot_be_trusted() {
    // One has a certificate of nobody we trust, the other offers no TLS, as if somebody had removed it.
    let (stranger, other) = (
        SmtpServer::start(Encryption::StartTls).await,
        SmtpServer::start(Encryption::StartTls).await,
    );
    let bare = SmtpServer::start(Encryption::Never).await;
    let trusting_other = SmtpOptions {
        ca_file: Some(other.ca_file()),
        ..smtp(&stranger, SmtpSecurity::StartTls)
    };
    for (server, options) in [
        (&stranger, trusting_other),
        (&bare, smtp(&bare, SmtpSecurity::StartTls)),
    ] {
        let app = app_with(Stage::Embedded, options).await;
        enqueue(&app, "alice@id.example", notice()).await;
        deliver_due(app.ports()).await.unwrap();
        assert!(server.received().is_empty());
        let rows = waiting(&app, OutboxFilter::All).await;
        assert!(
            rows[0].error.is_some() && rows[0].dead_at.is_none(),
            "{rows:?}"
        );
    }
}

#[tokio::test]
async fn a_mail_waits_for_a_server_that_is_away() {
    for stage in BOTH {
        let away = SmtpServer::start(Encryption::Never).await;
        let gone = {
            // A port that nobody listens on.
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        let options = SmtpOptions {
            port: Some(gone),
            ..smtp(&away, SmtpSecurity::Plain)
        };
        let app = app_with(stage, options).await;
        enqueue(&app, "alice@id.example", notice()).await;
        assert_eq!(deliver_due(app.ports()).await.unwrap(), 1);
        // Not at once again, but soon.
        assert_eq!(deliver_due(app.ports()).await.unwrap(), 0);
        let row = waiting(&app, OutboxFilter::All).await.remove(0);
        assert_eq!((row.attempts, row.dead_at), (1, None));
        app.clock.advance(Duration::from_secs(40));
        let server = SmtpServer::start_on(gone, Encryption::Never, false).await;
        assert_eq!(deliver_due(app.ports()).await.unwrap(), 1);
        assert_eq!(server.received().len(), 1);
        assert_eq!(waiting(&app, OutboxFilter::All).await, []);
    }
}

#[tokio::test]
async fn a_refused_recipient_is_given_up_at_once_and_can_be_retried() {
    for stage in BOTH {
        let server = SmtpServer::start(Encryption::Never).await;
        let app = app(stage, &server).await;
        server.set_mood(Mood::Unwilling);
        enqueue(&app, "nobody@id.example", notice()).await;
        deliver_due(app.ports()).await.unwrap();
        let dead = waiting(&app, OutboxFilter::Dead).await;
        assert_eq!(dead.len(), 1);
        assert!(
            dead[0].error.as_deref().unwrap().contains("no such user"),
            "{dead:?}"
        );
        assert_eq!(dead[0].to.as_deref(), Some("nobody@id.example"));
        server.set_mood(Mood::Willing);
        app.clock.advance(Duration::from_hours(48));
        assert_eq!(deliver_due(app.ports()).await.unwrap(), 0);
        retry_message(&registrar(&app), &dead[0].id).await.unwrap();
        assert_eq!(deliver_due(app.ports()).await.unwrap(), 1);
        assert_eq!(server.received().len(), 1);
        assert!(retry_message(&registrar(&app), &dead[0].id).await.is_err());
        assert!(app.events().await.contains(&"outbox.retried"));
    }
}

#[tokio::test]
async fn a_server_that_is_always_busy_is_given_up_after_the_last_attempt() {
    let server = SmtpServer::start(Encryption::Never).await;
    let app = app(Stage::Embedded, &server).await;
    server.set_mood(Mood::Busy);
    enqueue(&app, "alice@id.example", notice()).await;
    for attempt in 1..=courier::ATTEMPTS {
        assert_eq!(waiting(&app, OutboxFilter::Dead).await, [], "{attempt}");
        assert_eq!(deliver_due(app.ports()).await.unwrap(), 1, "{attempt}");
        app.clock.advance(Duration::from_hours(9));
    }
    assert_eq!(waiting(&app, OutboxFilter::Dead).await.len(), 1);
    assert_eq!(deliver_due(app.ports()).await.unwrap(), 0);
    server.set_mood(Mood::Willing);
    assert_eq!(retry_all(&registrar(&app)).await.unwrap(), 1);
    assert_eq!(deliver_due(app.ports()).await.unwrap(), 1);
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_wrong_password_of_ours_gives_no_mail_up() {
    let server = SmtpServer::start(Encryption::StartTls).await;
    let options = SmtpOptions {
        credentials: Some((USER.to_owned(), "canary-wrong".to_owned().into())),
        ..smtp(&server, SmtpSecurity::StartTls)
    };
    let app = app_with(Stage::Embedded, options).await;
    enqueue(&app, "alice@id.example", notice()).await;
    deliver_due(app.ports()).await.unwrap();
    let row = waiting(&app, OutboxFilter::All).await.remove(0);
    assert_eq!(row.dead_at, None, "{row:?}");
    assert!(!row.error.unwrap().contains("canary"));
}

#[tokio::test]
async fn an_address_that_no_mail_can_carry_adds_no_header() {
    let server = SmtpServer::start(Encryption::Never).await;
    let app = app(Stage::Embedded, &server).await;
    for odd in ["a,b>@id.example", "\"x\"<y@id.example", "a;b@id.example>"] {
        enqueue(&app, odd, notice()).await;
    }
    deliver_due(app.ports()).await.unwrap();
    assert_eq!(server.received().len(), 0);
    assert_eq!(waiting(&app, OutboxFilter::Dead).await.len(), 3);
}

#[tokio::test]
async fn a_link_that_has_expired_is_not_sent() {
    let server = SmtpServer::start(Encryption::Never).await;
    let app = app(Stage::Embedded, &server).await;
    let message = Message::ResetPassword(OneTime {
        link: Link::with_token("/reset", "token"),
        code: None,
        minutes: 60,
    });
    enqueue(&app, "alice@id.example", message).await;
    app.clock.advance(Duration::from_hours(1));
    deliver_due(app.ports()).await.unwrap();
    assert!(server.received().is_empty());
    assert_eq!(waiting(&app, OutboxFilter::Dead).await.len(), 1);
}

#[tokio::test]
async fn of_several_workers_exactly_one_sends_each_mail() {
    const MAILS: usize = 240;
    for stage in BOTH {
        let server = SmtpServer::start(Encryption::Never).await;
        let app = app(stage, &server).await;
        let other = app.second_worker().await;
        for _ in 0..MAILS {
            enqueue(&app, "alice@id.example", notice()).await;
        }
        let drain = async |ports| while deliver_due(ports).await.unwrap() > 0 {};
        let (one, two) = (app.ports(), other.ports());
        tokio::join!(drain(one), drain(two), drain(one), drain(two));
        // Whoever skipped what another was about to take may have stopped early.
        drain(one).await;
        let received = server.received();
        let ids: HashSet<&str> = received
            .iter()
            .map(|mail| mail.header("Message-ID"))
            .collect();
        assert_eq!((received.len(), ids.len()), (MAILS, MAILS), "{stage:?}");
        assert_eq!(waiting(&app, OutboxFilter::All).await, []);
    }
}

#[tokio::test]
async fn a_worker_that_died_with_a_claim_is_succeeded_when_the_lease_ends() {
    for stage in BOTH {
        let server = SmtpServer::start(Encryption::Never).await;
        let app = app(stage, &server).await;
        enqueue(&app, "alice@id.example", notice()).await;
        let now = app.ports().clock.now();
        let lease = now.plus(Duration::from_mins(5));
        let work = app.begin().await;
        let claimed = work
            .claim_due(OutboxKind::Mail, now, lease, 8)
            .await
            .unwrap();
        work.commit().await.unwrap();
        assert_eq!(claimed.len(), 1);
        app.clock.advance(Duration::from_secs(299));
        assert_eq!(deliver_due(app.ports()).await.unwrap(), 0);
        app.clock.advance(Duration::from_secs(1));
        assert_eq!(deliver_due(app.ports()).await.unwrap(), 1);
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn a_mail_that_had_to_be_sent_again_is_known_by_its_message_id() {
    let server = SmtpServer::start(Encryption::Never).await;
    let app = app(Stage::Embedded, &server).await;
    enqueue(&app, "alice@id.example", notice()).await;
    let ports = app.ports();
    // The first worker sends and dies before it can say so.
    let now = ports.clock.now();
    let work = app.begin().await;
    let lease = now.plus(Duration::from_mins(5));
    let claimed = work
        .claim_due(OutboxKind::Mail, now, lease, 8)
        .await
        .unwrap();
    work.commit().await.unwrap();
    let mail = ports.post.open(&claimed[0]).unwrap();
    let letter = countersign::application::mail::letter(
        &mail,
        &claimed[0],
        &ports.settings.issuer,
        &ports.settings.branding,
    );
    let mailer: &Arc<_> = ports.post.mailer.as_ref().unwrap();
    mailer.send(&letter.unwrap()).await.unwrap();
    app.clock.advance(Duration::from_mins(5));
    deliver_due(ports).await.unwrap();
    let received = server.received();
    assert_eq!(received.len(), 2);
    for header in ["Message-ID", "Date"] {
        assert_eq!(received[0].header(header), received[1].header(header));
    }
}
