// Tells systemd, or who speaks like it, how the program is (sd_notify(3)).
#pragma once

#include <string_view>

namespace steward::cli {

// One datagram to the socket that $NOTIFY_SOCKET names; nothing if there is none.
void notify_supervisor(std::string_view state) noexcept;

}  // namespace steward::cli
