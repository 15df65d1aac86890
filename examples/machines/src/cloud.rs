//! A cloud with two zones. In a real service this is a client of its interface, which takes a key with each request.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use saga_runtime::IdempotencyKey;
use serde::{Deserialize, Serialize};

/// A part of the cloud that fails by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) enum Zone {
    North,
    South,
}

/// A machine, known by the key under which it was booted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) name: String,
    zone: Zone,
    key: String,
}

/// A disk, known by the key under which it was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Disk {
    key: String,
}

#[derive(Debug, Default)]
struct Inventory {
    machines: BTreeMap<String, Zone>,
    disks: BTreeMap<String, Zone>,
}

#[derive(Debug)]
pub(crate) struct Cloud {
    /// The number of machines that fit into each zone.
    machines: [usize; 2],
    /// The number of disks that fit into each zone.
    disks: [usize; 2],
    inventory: Mutex<Inventory>,
}

impl Cloud {
    pub(crate) fn new(machines: [usize; 2], disks: [usize; 2]) -> Self {
        let inventory = Mutex::default();
        Self {
            machines,
            disks,
            inventory,
        }
    }

    /// Boots a machine, unless its zone is full.
    pub(crate) fn boot(
        &self,
        key: &IdempotencyKey,
        name: &str,
        zone: Zone,
    ) -> Result<Machine, String> {
        let key = key.to_string();
        let limit = self.machines[zone as usize];
        if !add(&mut self.inventory().machines, &key, zone, limit) {
            return Err(format!("the {zone:?} has no room for a machine"));
        }
        let name = format!("{name} in the {zone:?}");
        Ok(Machine { name, zone, key })
    }

    pub(crate) fn destroy(&self, machine: &Machine) {
        self.inventory().machines.remove(&machine.key);
    }

    /// Makes a disk in the zone of the machine, unless that is full.
    pub(crate) fn add_disk(&self, key: &IdempotencyKey, machine: &Machine) -> Result<Disk, String> {
        let (key, zone) = (key.to_string(), machine.zone);
        let limit = self.disks[zone as usize];
        if !add(&mut self.inventory().disks, &key, zone, limit) {
            return Err(format!("the {zone:?} has no room for a disk"));
        }
        Ok(Disk { key })
    }

    pub(crate) fn delete_disk(&self, disk: &Disk) {
        self.inventory().disks.remove(&disk.key);
    }

    /// The number of machines and of disks.
    pub(crate) fn count(&self) -> (usize, usize) {
        let inventory = self.inventory();
        (inventory.machines.len(), inventory.disks.len())
    }

    fn inventory(&self) -> MutexGuard<'_, Inventory> {
        self.inventory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds a thing under its key, unless the zone is full. Returns whether it is there.
fn add(things: &mut BTreeMap<String, Zone>, key: &str, zone: Zone, limit: usize) -> bool {
    let taken = things.values().filter(|one| **one == zone).count();
    if taken < limit {
        things.insert(key.to_owned(), zone);
    }
    things.contains_key(key)
}
