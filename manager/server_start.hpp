// From what a program asks for to a server that is up.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <steward/manager/options.hpp>
#include <steward/manager/server/server.hpp>

namespace steward::detail::manager {

// Throws BadCall for options that no server can meet, or should.
void check_options(const ManagerOptions& options);

// In this process, with its own directory in one of the bases. `note` is told what an operator
// should know. Throws core::Failure, in a sentence for people, if the system does not allow it.
std::unique_ptr<server::Server> start_server(
    const ManagerOptions& options, std::function<void(std::string_view)> note = {},
    const std::vector<server::Base>& bases = server::usual_bases());

// What a program that asks for the address is told: the one that was asked for, as it came to be.
std::string told_address(const ManagerOptions& options, const std::vector<std::string>& addresses);

}  // namespace steward::detail::manager
