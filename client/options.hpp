// How to reach a manager.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

namespace steward {

struct ConnectOptions {
  std::string key = {};                           // what `steward keygen` printed, or a passphrase
  // To connect, and to reconnect: there the one of the first who has connected the session.
  std::chrono::milliseconds timeout = std::chrono::seconds(10);

  // Which managers may be used because a handle names them that came in a result, an item of a
  // queue, a message. Asked with each address that would be dialled, or with that of a manager that
  // this process is connected to already, by the thread whose call is the first to need it; if none
  // is allowed, that call throws Disconnected, which names them. It is always an address,
  // "tcp://host:port" or "ipc://path": names of managers do not count in such handles. Not asked
  // for what the program itself names. Empty: all may be used.
  //   A handle is dialled on the terms (key, timeout, allow) of the session that it came by, and so
  // are those that come by the new one. There is one session with a manager, however often it was
  // connected: all who have done so must allow it. A handle that came by no session, as in a
  // message of a Connection, is dialled without a key, and only where every session of this process
  // allows it; in a forked child also those of its parent.
  //   Called by any thread, by several at once. What it throws, the call throws. It cannot use the
  // very handle that it is asked about; another one it can, but not one more each time that this
  // asks it again: both throw BadCall. It is kept, and asked, at least as long as the Manager that
  // it was given for, and as any proxy that this process got from that manager meanwhile; maybe as
  // long as the process lives, although nobody uses the manager any more. What it refers to must be
  // there as long.
  std::function<bool(std::string_view address)> allow = {};
};

}  // namespace steward
