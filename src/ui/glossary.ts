/** The field's words, each in a sentence or two. */
export const GLOSSARY = {
  identity:
    'One person. All photos of an identity are in one folder, and the folder’s name is the identity’s name.',
  class: 'What the network learns to tell apart while it trains: here, one class is one person.',
  'aligned face':
    'A square crop around a face, with the face always at the same size and place, so that the network compares like with like.',
  margin:
    'Pixels added around the detected face before it is cropped, half on each side. They give the network some context and leave room for random crops.',
  dataset:
    'A folder that contains one subfolder per person, with that person’s pictures inside. Several folders can be merged.',
  run: 'One training from start to end, with its settings, measurements and checkpoints. Its name is the date and time when it started.',
  epoch:
    'A fixed number of steps. After each epoch a checkpoint is saved, and the learning rate follows its schedule.',
  step: 'One batch of images goes through the network, and every weight is changed a little to make the loss smaller.',
  batch:
    'The images that one step processes together. A larger batch needs more memory and makes each step less noisy.',
  checkpoint:
    'Everything needed to resume a run, saved in this browser: the weights, the optimizer’s state and the step.',
  embedding:
    'The list of numbers that the finished network turns a face into. Faces of one person get lists that are close to each other.',
  'cross entropy':
    'How surprised the network is by the right answer. It starts near ln(number of classes), which is guessing, and falls towards 0.',
  loss: 'The number that training makes smaller: the cross entropy plus the regularisation terms.',
  accuracy: 'The share of a batch’s images whose class the network names correctly.',
  'learning rate': 'How far each step changes the weights. It is lowered towards the end of a run.',
  regularisation:
    'Terms that keep the weights small, so that the network learns what faces have in common instead of memorising photos.',
  pair: 'Two photos, either of the same person or of two different people. The model has to decide which.',
  fold: 'One part of the pairs, usually a tenth. The threshold is chosen on the other folds, so that no fold is judged by a threshold fitted to it.',
  threshold: 'Two faces whose distance is below the threshold count as the same person.',
  'pair accuracy':
    'The share of pairs that are judged correctly, averaged over the folds. Guessing gives about 50%.',
  'validation rate':
    'The share of same-person pairs that are accepted when the threshold is so strict that only 1 in 1,000 different-person pairs is accepted.',
  AUC: 'Area under the ROC curve: how likely it is that a same-person pair is closer than a different-person pair. 1 is perfect, 0.5 is guessing.',
  EER: 'Equal error rate: the error rate at the threshold where the share of same-person pairs that are rejected equals the share of different-person pairs that are accepted. Smaller is better.',
  'ROC curve':
    'For every threshold: the share of same-person pairs accepted (vertical) against the share of different-person pairs accepted (horizontal). Closer to the top left corner is better.',
  'false accept rate': 'The share of different-person pairs that are wrongly accepted as the same person.',
  'true accept rate': 'The share of same-person pairs that are correctly accepted.',
  safetensors:
    'A plain file format for weights, which Python, Rust and others can read. The variable names are those of the original FaceNet code.',
  'TensorFlow.js':
    'A library that runs networks in browsers and in Node. An export is a model.json with files of weights.',
  'images per second': 'How many images the training processes in a second.',
  'data wait':
    'The share of a step’s time that is spent waiting for images to be read and decoded. It should be near zero.',
  WebGPU: 'The browser’s interface for computing on the GPU.',
} as const;

export type GlossaryWord = keyof typeof GLOSSARY;
