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

/// A thing of the cloud, known by the key under which it was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Resource {
    pub(crate) name: String,
    key: String,
}

#[derive(Debug, Default)]
struct Inventory {
    disks: BTreeMap<String, Zone>,
    machines: BTreeMap<String, Zone>,
}

#[derive(Debug)]
pub(crate) struct Cloud {
    /// The number of machines that fit into each zone.
    capacity: [usize; 2],
    inventory: Mutex<Inventory>,
}

impl Cloud {
    pub(crate) fn new(capacity: [usize; 2]) -> Self {
        let inventory = Mutex::default();
        Self {
            capacity,
            inventory,
        }
    }

    pub(crate) fn create_disk(&self, key: IdempotencyKey, machine: &str, zone: Zone) -> Resource {
        let key = key.to_string();
        self.inventory().disks.insert(key.clone(), zone);
        let name = format!("disk of {machine}");
        Resource { name, key }
    }

    pub(crate) fn delete_disk(&self, disk: &Resource) {
        self.inventory().disks.remove(&disk.key);
    }

    /// Boots a machine, unless its zone is full.
    pub(crate) fn boot(
        &self,
        key: IdempotencyKey,
        machine: &str,
        zone: Zone,
    ) -> Result<Resource, String> {
        let key = key.to_string();
        let mut inventory = self.inventory();
        let taken = inventory.machines.values().filter(|one| **one == zone);
        let is_full = taken.count() >= self.capacity[zone as usize];
        if is_full && !inventory.machines.contains_key(&key) {
            return Err(format!("{zone:?} is full"));
        }
        inventory.machines.insert(key.clone(), zone);
        let name = format!("{machine} in the {zone:?}");
        Ok(Resource { name, key })
    }

    pub(crate) fn destroy(&self, machine: &Resource) {
        self.inventory().machines.remove(&machine.key);
    }

    /// The number of disks and of machines.
    pub(crate) fn count(&self) -> (usize, usize) {
        let inventory = self.inventory();
        (inventory.disks.len(), inventory.machines.len())
    }

    fn inventory(&self) -> MutexGuard<'_, Inventory> {
        self.inventory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
