#include <steward/client/names.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include <steward/client/private_directory.hpp>
#include <steward/core/errors.hpp>

namespace steward::detail::client {
namespace {

constexpr std::string_view kScheme = "ipc://";
constexpr std::string_view kSuffix = ".sock";
constexpr std::size_t kNameBytes = 64;
constexpr mode_t kPrivate = 0700;

// Why names in this directory do not count; empty: it is this user's alone, or not there. Whoever
// may write next to it may have put it there: its names are not ours, and nothing else is lost.
std::string objection_to(const std::string& directory) {
  bool there = false;
  return objection_to_directory(directory, there);
}

// For the text of an error; empty: none was passed over.
std::string passed_over(const std::vector<std::string>& directories) {
  std::string text;
  for (const std::string& directory : directories) {
    const std::string why = objection_to(directory);
    if (why.empty()) continue;
    text += text.empty() ? " (passed over: " : ", ";
    text += directory + ' ' + why;
  }
  return text.empty() ? text : text + ')';
}

std::string path_of(const std::string& directory, std::string_view name) {
  return directory + '/' + std::string(name) + std::string(kSuffix);
}

// Empty: nobody has, or had, this name.
std::string known_path(std::string_view name, const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    if (!objection_to(directory).empty()) continue;
    std::string path = path_of(directory, name);
    struct stat status {};
    if (::lstat(path.c_str(), &status) == 0) return path;
  }
  return {};
}

}  // namespace

bool is_manager_name(std::string_view text) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !text.empty() && text.size() <= kNameBytes && text.find_first_of("._-") != 0 &&
         text.find_first_not_of(kLetters) == std::string_view::npos;
}

std::vector<std::string> name_directories() {
  const std::string user = std::to_string(::geteuid());
  // The end of a user's last session empties /run/user/<uid>, and may empty his part of /dev/shm.
  return {"/tmp/steward-" + user, "/var/tmp/steward-" + user, "/run/user/" + user + "/steward",
          "/dev/shm/steward-" + user};
}

std::string address_of_name(std::string_view name, const std::vector<std::string>& directories) {
  const std::string path = known_path(name, directories);
  if (path.empty()) {
    throw Disconnected("no manager named '" + std::string(name) + "' is running" +
                       passed_over(directories));
  }
  return std::string(kScheme) + path;
}

std::string new_address_of_name(std::string_view name,
                                const std::vector<std::string>& directories) {
  if (!is_manager_name(name)) {
    throw BadCall("'" + std::string(name) + "' is no name for a manager: that is 1 to 64 letters, "
                  "digits, '.', '_' and '-', the first a letter or digit");
  }
  // Where the name was last used, so that no two managers have it.
  if (const std::string path = known_path(name, directories); !path.empty()) {
    return std::string(kScheme) + path;
  }
  std::string reasons;
  for (const std::string& directory : directories) {
    const bool there = ::mkdir(directory.c_str(), kPrivate) == 0 || errno == EEXIST;
    int error = errno;
    const std::string objection = objection_to(directory);
    if (there && objection.empty()) {
      if (::access(directory.c_str(), W_OK) == 0) {
        return std::string(kScheme) + path_of(directory, name);
      }
      error = errno;
    }
    reasons += (reasons.empty() ? "" : ", ") + directory;
    reasons += objection.empty() ? ": " + std::generic_category().message(error) : ' ' + objection;
  }
  throw core::Failure("no directory can hold the names of managers: " + reasons);
}

std::vector<std::pair<std::string, std::string>> named_addresses(
    const std::vector<std::string>& directories) {
  std::vector<std::pair<std::string, std::string>> all;
  for (const std::string& directory : directories) {
    if (!objection_to(directory).empty()) continue;
    std::error_code unreadable;
    for (const auto& entry : std::filesystem::directory_iterator(directory, unreadable)) {
      std::string name = entry.path().filename().string();
      if (!name.ends_with(kSuffix)) continue;
      name.resize(name.size() - kSuffix.size());
      all.emplace_back(std::move(name), std::string(kScheme) + entry.path().string());
    }
  }
  std::ranges::sort(all);
  return all;
}

std::string name_in(std::string_view address) {
  for (const std::string& directory : name_directories()) {
    const std::string begin = std::string(kScheme) + directory + '/';
    if (!address.starts_with(begin) || !address.ends_with(kSuffix)) continue;
    const std::string_view name =
        address.substr(begin.size(), address.size() - begin.size() - kSuffix.size());
    if (is_manager_name(name)) return std::string(name);
  }
  return {};
}

}  // namespace steward::detail::client
