//! A cloud with two zones. In a real service this is a client of its interface, which takes a key with each request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    machines: Things,
    disks: Things,
}

/// All machines, or all disks, by their keys.
#[derive(Debug, Default)]
struct Things {
    there: BTreeMap<String, Zone>,
    /// The keys of what was deleted: a request that comes later adds nothing.
    deleted: BTreeSet<String>,
}

impl Things {
    /// Adds a thing under its key, unless the zone is full. If it is there, it stays.
    fn add(&mut self, key: &str, zone: Zone, limit: usize) -> Result<(), String> {
        if self.deleted.contains(key) {
            return Err("it is deleted already".to_owned());
        }
        let taken = self.there.values().filter(|one| **one == zone).count();
        if taken >= limit && !self.there.contains_key(key) {
            return Err(format!("the {zone:?} has no room"));
        }
        self.there.insert(key.to_owned(), zone);
        Ok(())
    }

    fn delete(&mut self, key: &str) {
        self.there.remove(key);
        self.deleted.insert(key.to_owned());
    }
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
        key: impl Into<String>,
        name: &str,
        zone: Zone,
    ) -> Result<Machine, String> {
        let key = key.into();
        let limit = self.machines[zone as usize];
        let added = self.inventory().machines.add(&key, zone, limit);
        added.map_err(|reason| format!("no machine: {reason}"))?;
        let name = format!("{name} in the {zone:?}");
        Ok(Machine { name, zone, key })
    }

    pub(crate) fn destroy(&self, machine: &Machine) {
        self.inventory().machines.delete(&machine.key);
    }

    /// Makes a disk in the zone of the machine, unless that is full.
    pub(crate) fn add_disk(
        &self,
        key: impl Into<String>,
        machine: &Machine,
    ) -> Result<Disk, String> {
        let (key, zone) = (key.into(), machine.zone);
        let limit = self.disks[zone as usize];
        let added = self.inventory().disks.add(&key, zone, limit);
        added.map_err(|reason| format!("no disk: {reason}"))?;
        Ok(Disk { key })
    }

    pub(crate) fn delete_disk(&self, disk: &Disk) {
        self.inventory().disks.delete(&disk.key);
    }

    /// The number of machines and of disks.
    pub(crate) fn count(&self) -> (usize, usize) {
        let inventory = self.inventory();
        (inventory.machines.there.len(), inventory.disks.there.len())
    }

    fn inventory(&self) -> MutexGuard<'_, Inventory> {
        self.inventory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
