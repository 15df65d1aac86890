//! The sagas: a cluster is a fan-out of machines; a machine is a saga of its own, which tries a second zone.

use saga_runtime::{Context, saga, step, try_join_all};

use crate::cloud::{Cloud, Resource, Zone};

#[step(compensate = delete_disk)]
async fn create_disk(
    cx: Context<'_, Cloud>,
    machine: &str,
    zone: Zone,
) -> Result<Resource, String> {
    Ok(cx.create_disk(cx.idempotency_key(), machine, zone))
}

async fn delete_disk(cx: Context<'_, Cloud>, disk: &Resource) -> Result<(), String> {
    cx.delete_disk(disk);
    Ok(())
}

#[step(compensate = destroy)]
async fn boot(cx: Context<'_, Cloud>, machine: &str, zone: Zone) -> Result<Resource, String> {
    cx.boot(cx.idempotency_key(), machine, zone)
}

async fn destroy(cx: Context<'_, Cloud>, machine: &Resource) -> Result<(), String> {
    cx.destroy(machine);
    Ok(())
}

saga!(
    /// Starts one machine in one zone: its disk, then itself.
    #[saga(compensatable)]
    pub(crate) async fn start_in(
        cx: Context<'_, Cloud>,
        machine: String,
        zone: Zone,
    ) -> Result<String, String> {
        create_disk(cx, &machine, zone).await?;
        let booted = boot(cx, &machine, zone).await?;
        Ok(booted.name)
    }
);

saga!(
    /// Starts one machine, in the south if the north is full.
    #[saga(compensatable)]
    pub(crate) async fn start_machine(
        cx: Context<'_, Cloud>,
        machine: String,
    ) -> Result<String, String> {
        // A failed attempt in the north is undone before the south is asked: its disk does not stay behind.
        let started = match start_in(cx, machine.clone(), Zone::North).await {
            Ok(started) => started,
            Err(_) => start_in(cx, machine, Zone::South).await?,
        };
        Ok(started)
    }
);

saga!(
    /// Starts a cluster: all of its machines, or none.
    pub(crate) async fn start_cluster(
        cx: Context<'_, Cloud>,
        name: String,
        machines: u32,
    ) -> Result<Vec<String>, String> {
        let names: Vec<_> = (1..=machines)
            .map(|number| format!("{name}-{number}"))
            .collect();
        // Four at a time: the cloud takes no more.
        let started = try_join_all(4, &names, |one| start_machine(cx, one.clone())).await?;
        Ok(started)
    }
);
