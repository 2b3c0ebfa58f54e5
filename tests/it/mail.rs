//! Mail in the outbox, in the transaction of the change that it tells of.

use countersign::{
    application::{
        mail::{Link, Mail, Message, OneTime},
        ports::{OutboxFilter, Page},
    },
    domain::{event::OutboxRow, user::Email},
};

use super::support::app::{TestApp, on_both};

const TOKEN: &str = "canary-token-of-a-reset-link";
const CODE: &str = "481516";

fn reset() -> Mail {
    Mail {
        to: Email::parse("alice@id.example").unwrap(),
        locale: None,
        message: Message::ResetPassword(OneTime {
            link: Link::with_token("/reset", TOKEN),
            code: Some(CODE.to_owned()),
            minutes: 60,
        }),
    }
}

async fn enqueue(app: &TestApp, mail: &Mail) {
    let work = app.begin().await;
    app.ports().enqueue_mail(&*work, mail).await.unwrap();
    work.commit().await.unwrap();
}

async fn outbox(app: &TestApp) -> Vec<OutboxRow> {
    let page = Page {
        after: None,
        limit: 100,
    };
    app.ports()
        .store
        .reader()
        .outbox(OutboxFilter::All, &page)
        .await
        .unwrap()
}

on_both! {
    async fn c188_what_a_mail_says_rests_sealed(app: TestApp) {
        enqueue(&app, &reset()).await;
        let rows = outbox(&app).await;
        let text = rows[0].message.payload.to_string();
        assert!(!text.contains(TOKEN) && !text.contains(CODE), "{text}");
        assert!(text.contains("reset_password") && text.contains("alice@id.example"), "{text}");
        assert!(app.ports().post.open(&rows[0].message).unwrap() == reset());
    }

    async fn c188_a_sealed_mail_opens_only_as_the_message_that_it_was_sealed_for(app: TestApp) {
        enqueue(&app, &reset()).await;
        let mut moved = outbox(&app).await.remove(0).message;
        "another".clone_into(&mut moved.id);
        assert!(app.ports().post.open(&moved).is_err());
    }

    async fn c188_only_the_sealed_recipient_is_believed(app: TestApp) {
        enqueue(&app, &reset()).await;
        let mut redirected = outbox(&app).await.remove(0).message;
        redirected.payload["to"] = "mallory@evil.example".into();
        let mail = app.ports().post.open(&redirected).unwrap();
        assert_eq!(mail.to.as_str(), "alice@id.example");
    }

    async fn a_mail_of_a_change_that_is_not_committed_is_not_written(app: TestApp) {
        let work = app.begin().await;
        app.ports().enqueue_mail(&*work, &reset()).await.unwrap();
        drop(work);
        assert_eq!(outbox(&app).await, []);
    }
}
