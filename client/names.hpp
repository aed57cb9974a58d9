// Names of managers. A manager that was given one listens at "<directory>/<name>.sock" too, in a
// directory of its user that no variable of the environment moves: whoever runs as the same user
// finds it by the name alone.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace steward::detail::client {

// One to 64 letters, digits, '.', '_' and '-', the first a letter or digit.
bool is_manager_name(std::string_view text);

// The directories that may hold named managers, in the order in which they are tried. One that does
// not belong to this user with mode 0700 is passed over.
std::vector<std::string> name_directories();

// "ipc://<directory>/<name>.sock" of the manager of this name. Throws Disconnected if there is
// none, with the directories that were passed over.
std::string address_of_name(std::string_view name,
                            const std::vector<std::string>& directories = name_directories());

// The same for a manager that is to get this name; makes the directory. Throws BadCall if it is no
// name, core::Failure if no directory can be made.
std::string new_address_of_name(std::string_view name,
                                const std::vector<std::string>& directories = name_directories());

// All names that there are, with their addresses: some may be left over from managers that were
// killed.
std::vector<std::pair<std::string, std::string>> named_addresses(
    const std::vector<std::string>& directories = name_directories());

// The name in such an address; empty: it is some other address.
std::string name_in(std::string_view address);

}  // namespace steward::detail::client
