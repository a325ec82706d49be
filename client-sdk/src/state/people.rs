//! Who is behind an id.

use nudge_proto::UserId;
use sqlx::Row;

use super::State;
use crate::{error::Result, model::User};

impl State {
    pub(crate) async fn put_person(&self, user: &User) -> Result<()> {
        sqlx::query(
            "INSERT INTO people (user_id, handle, display_name) VALUES (?, ?, ?) \
             ON CONFLICT (user_id) DO UPDATE SET handle = excluded.handle, \
             display_name = excluded.display_name",
        )
        .bind(&user.id.as_bytes()[..])
        .bind(&user.handle)
        .bind(&user.display_name)
        .execute(&self.quick)
        .await
        .map_err(self.failed())?;
        Ok(())
    }

    pub(crate) async fn person(&self, id: UserId) -> Result<Option<User>> {
        let row = sqlx::query("SELECT handle, display_name FROM people WHERE user_id = ?")
            .bind(&id.as_bytes()[..])
            .fetch_optional(&self.pool)
            .await
            .map_err(self.failed())?;
        Ok(row.map(|row| User { id, handle: row.get(0), display_name: row.get(1) }))
    }
}
