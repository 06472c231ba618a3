// An Outboard worker with nothing but gRPC: appends "<event id> <attempt>" to a file and syncs it
// before it answers. Config: {"file": "ledger.txt", "fail_attempts": 0}.
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const protos = process.env.OUTBOARD_PROTO || path.join(__dirname, '../../../proto');
const v1 = grpc.loadPackageDefinition(loader.loadSync(
  ['outboard/plugin/v1/plugin.proto', 'outboard/plugin/v1/worker.proto'],
  { includeDirs: [protos], keepCase: true, longs: Number, enums: String, defaults: true },
)).outboard.plugin.v1;
const instanceId = crypto.randomUUID();

function describe(call, reply) {
  // Frames are handled whole, one after the other: one delivery at a time, in the order of arrival.
  const components = [{ name: 'ledger', role: 'ROLE_WORKER', concurrency: 1 }];
  reply(null, { name: 'node-ledger', version: '1.0.0', instance_id: instanceId, components });
}

function answer(deliveries, config) {
  let failure;
  const lines = deliveries.map((d) => `${d.event.id} ${d.attempt}\n`).join('');
  try {
    if (config.file) fs.appendFileSync(config.file, lines, { flag: 'as' });
  } catch (error) {
    failure = { reason: 'FILE_ERROR', message: error.message };
  }
  const frame = { done_ids: [], verdicts: [] };
  for (const { delivery_id, attempt } of deliveries) {
    const why = failure || (attempt <= config.fail_attempts && { reason: 'ASKED_TO_FAIL' });
    if (why) frame.verdicts.push({ delivery_id, outcome: 'OUTCOME_RETRY', failure: why });
    else frame.done_ids.push(delivery_id);
  }
  return frame;
}

function handle(call) {
  let config = {};
  call.on('error', () => {}).on('end', () => call.end()); // after Close all has been answered
  call.on('data', ({ open, deliveries }) => {
    if (open && open.component !== 'ledger') {
      call.emit('error', { code: grpc.status.NOT_FOUND, details: "the only worker is 'ledger'" });
    } else if (open) {
      config = JSON.parse(open.config_json || '{}');
      call.write({ opened: { instance_id: instanceId } });
    }
    if (deliveries.length) call.write(answer(deliveries, config));
  });
}

const server = new grpc.Server();
server.addService(v1.PluginService.service, { Describe: describe });
server.addService(v1.WorkerService.service, { Handle: handle });
const listen = process.env.OUTBOARD_LISTEN;
server.bindAsync(listen, grpc.ServerCredentials.createInsecure(), (e) => { if (e) throw e; });
const stop = () => server.tryShutdown(() => process.exit(0));
process.once('SIGTERM', stop);
if (listen.startsWith('unix:')) process.stdin.on('end', stop).resume(); // the host is gone
