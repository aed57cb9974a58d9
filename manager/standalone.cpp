#include <steward/manager/standalone.hpp>

#include <poll.h>

#include <chrono>
#include <fstream>
#include <map>
#include <set>

#include <steward/client/address.hpp>
#include <steward/client/names.hpp>
#include <steward/client/reachable.hpp>
#include <steward/client/side_door.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/manager/server/directory.hpp>
#include <steward/process/background.hpp>
#include <steward/shm/pidfd.hpp>
#include <steward/shm/poll.hpp>

namespace steward::face {
namespace {

// A manager that lives opens its door at once, unless it was stopped.
constexpr std::chrono::seconds kKnockTime{2};
constexpr std::chrono::milliseconds kLookAgain{20};

// The kernel knows where all sockets are bound, whatever TMPDIR their managers were given.
void add_bound(std::set<std::string>& directories) {
  std::ifstream sockets("/proc/net/unix");
  for (std::string line; std::getline(sockets, line);) {
    const auto path = line.find(" /");
    if (path == std::string::npos) continue;
    std::string directory = server::directory_around(std::string_view(line).substr(path + 1));
    if (!directory.empty()) directories.insert(std::move(directory));
  }
}

std::string address_in(const std::string& directory) {
  return "ipc://" + directory + "/manager.sock";
}

// The address in its own directory of the manager that is met at another one; empty: it is dead.
std::string own_address(const std::string& address) {
  try {
    const auto told = client::knock(*client::parse_ipc(address), core::deadline_after(kKnockTime));
    return address_in(server::directory_of(told.addresses.at(0)));
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace

std::string address_for_name(std::string_view name) { return client::new_address_of_name(name); }

std::vector<LocalManager> local_managers() {
  std::map<std::string, std::string> names;
  for (const auto& [name, address] : client::named_addresses()) {
    names.emplace(own_address(address), name);
  }
  std::set<std::string> directories;
  server::sweep_dead_directories();
  for (const server::Base& base : server::usual_bases()) {
    directories.merge(
        [&] {
          const auto found = server::directories_in(base.path);
          return std::set<std::string>(found.begin(), found.end());
        }());
  }
  add_bound(directories);
  std::vector<LocalManager> all;
  for (const std::string& directory : directories) {
    const std::string address = address_in(directory);
    const auto name = names.find(address);
    all.push_back({address, name == names.end() ? "" : name->second});
  }
  return all;
}

bool stop(Manager& manager, core::Deadline deadline) {
  if (manager.pid() != 0) {
    const shm::UniqueFd process = shm::pidfd_of(manager.pid());
    manager.shutdown();
    return shm::poll_until(process.get(), POLLIN, deadline);
  }
  manager.shutdown();
  const auto address = core::parse_tcp(manager.address());
  while (address && !client::is_refused(*address, deadline)) {
    if (std::chrono::steady_clock::now() >= *deadline) return false;
    ::poll(nullptr, 0, static_cast<int>(kLookAgain.count()));
  }
  return true;
}

Answer run_in_background(const std::string& log_file,
                         const std::function<void(const Tell& tell)>& work) {
  const std::string said = process::run_in_background(log_file, [&](const auto& say) {
    work([&](const Answer& answer) {
      return say(static_cast<char>('0' + answer.code) + answer.text);
    });
  });
  return {said.at(0) - '0', said.substr(1)};
}

}  // namespace steward::face
