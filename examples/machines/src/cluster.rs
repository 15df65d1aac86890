//! The sagas: a cluster is a fan-out of machines; a machine is a saga of its own, which tries a second zone.

use saga_runtime::{Context, saga, step, try_join_all};

use crate::cloud::{Cloud, Disk, Machine, Zone};

#[step(compensate = destroy)]
async fn boot(cx: Context<'_, Cloud>, machine: &str, zone: Zone) -> Result<Machine, String> {
    cx.boot(cx.idempotency_key(), machine, zone)
}

async fn destroy(cx: Context<'_, Cloud>, machine: &Machine) -> Result<(), String> {
    cx.destroy(machine);
    Ok(())
}

#[step(compensate = delete_disk)]
async fn add_disk(cx: Context<'_, Cloud>, machine: &Machine) -> Result<Disk, String> {
    cx.add_disk(cx.idempotency_key(), machine)
}

async fn delete_disk(cx: Context<'_, Cloud>, disk: &Disk) -> Result<(), String> {
    cx.delete_disk(disk);
    Ok(())
}

saga!(
    /// Starts one machine, in the south if the north is full, and then its disk in the same zone.
    #[saga(compensatable)]
    pub(crate) async fn start_machine(
        cx: Context<'_, Cloud>,
        name: String,
    ) -> Result<String, String> {
        let machine = match boot(cx, &name, Zone::North).await {
            Ok(machine) => machine,
            Err(_) => boot(cx, &name, Zone::South).await?,
        };
        add_disk(cx, &machine).await?;
        Ok(machine.name)
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
