// Everything of Steward: share live objects between processes.
#pragma once

#include <steward/client/interrupt.hpp>
#include <steward/core/auth_key.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/future.hpp>
#include <steward/core/value.hpp>
#include <steward/manager/manager.hpp>
#include <steward/manager/wait.hpp>
#include <steward/pipe/listener.hpp>
#include <steward/pipe/pipe.hpp>
#include <steward/pool/pool.hpp>
#include <steward/process/process.hpp>
#include <steward/process/process_of.hpp>
#include <steward/pool/progress_bar.hpp>
#include <steward/proxy/dict.hpp>
#include <steward/proxy/handle.hpp>
#include <steward/proxy/list.hpp>
#include <steward/proxy/lock.hpp>
#include <steward/proxy/object.hpp>
#include <steward/proxy/queue.hpp>
#include <steward/version.hpp>
