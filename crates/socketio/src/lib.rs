#![doc = "Engine.IO and Socket.IO"]
