//! A person's second device: it reads the inbox page by page, and hides nothing from the judge.

use std::{sync::Arc, time::Duration};

use nudge_proto::{Cursor, DeviceId, UserId, ids::InvalidId};
use reqwest::StatusCode;
use tokio::{sync::Mutex, time::sleep};
use tokio_util::sync::CancellationToken;

use super::Record;
use crate::{Api, ApiError, history::ObservedPage};

/// Reads one inbox.
#[derive(Debug)]
pub(super) struct Observer {
    user_id: UserId,
    device_id: DeviceId,
    record: Arc<Record>,
    jumps: bool,
    at: Mutex<At>,
}

#[derive(Debug)]
struct At {
    api: Api,
    epoch: u64,
    through: u64,
}

impl Observer {
    pub(super) fn new(
        user_id: UserId,
        api: Api,
        record: Arc<Record>,
        jumps: bool,
    ) -> Result<Self, InvalidId> {
        let device_id = api.session().device_id.parse()?;
        let epoch = api.session().cursor.parse::<Cursor>().map_or(1, |cursor| cursor.epoch.0);
        // From the inbox's start: what came before this device is there, too.
        let at = Mutex::new(At { api, epoch, through: 0 });
        Ok(Self { user_id, device_id, record, jumps, at })
    }

    /// Reads on now and then.
    pub(super) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let pause =
                if self.read_page().await == Reached::Middle { None } else { Some(READ_EVERY) };
            if let Some(pause) = pause {
                stop.run_until_cancelled(sleep(pause.mul_f64(0.5 + fastrand::f64()))).await;
            }
        }
    }

    /// Reads until a page ends at its inbox's head.
    pub(super) async fn read_to_the_end(&self) {
        while self.read_page().await != Reached::Head {
            sleep(RETRY_DELAY).await;
        }
    }

    async fn read_page(&self) -> Reached {
        let mut at = self.at.lock().await;
        let asked_after = self.record.observed_count();
        let cursor = format!("{}.{}", at.epoch, at.through);
        let page = match at.api.inbox(&cursor, PAGE_ENTRIES).await {
            Ok(page) => page,
            Err(error) => {
                self.explain(&mut at, error).await;
                return Reached::Nothing;
            }
        };
        match ObservedPage::from_answer(self.user_id, self.device_id, asked_after, &page) {
            Ok(seen) => self.record.observed(seen),
            Err(error) => self.record.refused(format!("a page is malformed: {error}")),
        }
        (at.epoch, at.through) = (page.epoch, page.through + u64::from(self.jumps));
        // Losing an ack is allowed; the next one says more.
        let _ = at.api.ack(&format!("{}.{}", page.epoch, page.through)).await;
        if page.through >= page.head { Reached::Head } else { Reached::Middle }
    }

    /// No answer is allowed, a refusal is not; an access token has its time.
    async fn explain(&self, at: &mut At, error: ApiError) {
        let is_expired =
            matches!(error, ApiError::Refused { status: StatusCode::UNAUTHORIZED, .. });
        let error = match (is_expired, error) {
            (true, _) => match at.api.refresh().await {
                Ok(()) => return,
                Err(error) => error,
            },
            (false, error) => error,
        };
        if !error.is_passing() {
            self.record.refused(format!("a page of {} was refused: {error}", self.user_id));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Head,
    Middle,
    Nothing,
}

/// Small pages, so that there are many ends of pages.
const PAGE_ENTRIES: u32 = 20;
/// The mean time between two looks.
const READ_EVERY: Duration = Duration::from_secs(2);
const RETRY_DELAY: Duration = Duration::from_millis(100);
